// The upstream of the bench in a separate process. It does as little work as possible, so that the bench measures the Worker.
// `model` selects the answer: `json`, `chat` (JSON with the id of a converted model), `stream-N` (N events, one write each, as fast
// as the Worker reads), `paced-N` (10 ms between them) or `open-N` (N events, then silence until the message "release").
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import type { JsonObject } from "../emulator/json.ts";
import { eventsOf } from "../emulator/events.ts";
import { responseOf } from "../emulator/response.ts";

const PACE_MS = 10;
/** The number of events of a stream that aren't text deltas. */
const OTHER_EVENTS = 8;
const WORDS = 40;
const ID = "resp_BENCHID";
const PARENT = "resp_PARENT";

const texts = new Map<string, string[]>();

/** The texts of a model's answer, with placeholders for the ids, so that an answer needs no JSON.stringify. */
function textOf(model: string): string[] {
  let text = texts.get(model);
  if (text === undefined)
    texts.set(model, (text = model.includes("-") ? streamText(model) : [JSON.stringify(response(model, WORDS))]));
  return text;
}

function response(model: string, words: number): JsonObject {
  const text = Array.from({ length: words }, (_, n) => `word${n}`).join(" ");
  const content = [{ type: "output_text", annotations: [], logprobs: [], text }];
  const output = [
    { id: "msg_bench", type: "message", status: "completed", content, phase: "final_answer", role: "assistant" },
  ];
  const draft = { id: ID, status: "completed" as const, output, reasoningTokens: 0 };
  return responseOf({ model, previous_response_id: PARENT }, [], draft as never) as JsonObject;
}

function streamText(model: string): string[] {
  const words = Number(model.split("-")[1]) - OTHER_EVENTS;
  return eventsOf(response(model, words), { obfuscation: true }).map(
    (event, n) => `event: ${String(event["type"])}\ndata: ${JSON.stringify({ ...event, sequence_number: n })}\n\n`,
  );
}

let serial = 0;
const open = new Set<() => void>();
let calls = 0;

const server = createServer((request, reply) => {
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (piece: string) => (body += piece));
  request.on("end", () => {
    calls += 1;
    const model = /"model":"([\w-]+)"/.exec(body)?.[1] ?? "json";
    const parent = /"previous_response_id":"([^"]+)"/.exec(body)?.[1];
    serial += 1;
    // Ids with the real lengths: OpenAI's own, and those of a converted model.
    const id =
      model === "chat" ? `chatcmpl-${String(serial).padStart(29, "0")}` : `resp_${String(serial).padStart(50, "0")}`;
    const fill = (text: string): string =>
      text.replaceAll(ID, id).replaceAll(`"${PARENT}"`, parent === undefined ? "null" : JSON.stringify(parent));
    if (model.includes("-")) void stream(reply, model, fill).catch(() => undefined);
    else {
      const text = fill(textOf(model)[0] ?? "");
      reply.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(text) }).end(text);
    }
  });
});
server.keepAliveTimeout = 600_000;

async function stream(reply: ServerResponse, model: string, fill: (text: string) => string): Promise<void> {
  const [kind] = model.split("-");
  reply.writeHead(200, { "content-type": "text/event-stream" });
  const events = textOf(model);
  for (const [n, event] of events.entries()) {
    if (reply.destroyed) return;
    if (kind === "open" && n === events.length - 1) await new Promise<void>((resolve) => open.add(resolve));
    // Only these events contain the response object.
    const accepted = reply.write(n < 2 || n === events.length - 1 ? fill(event) : event);
    if (kind === "paced") await sleep(PACE_MS);
    else if (accepted) await turn();
    else await new Promise((resolve) => reply.once("drain", resolve).once("close", resolve));
  }
  reply.end();
}

server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on("message", (message) => {
  if (message === "release") {
    for (const resolve of open) resolve();
    open.clear();
  }
  process.send?.({ calls, open: open.size });
});
process.on("disconnect", () => process.exit());
