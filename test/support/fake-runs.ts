// What the typed client meets in its unit tests: contract section 6 in a few lines of node:http. One recording for each Idempotency-Key,
// continued after Last-Event-ID, and a connection that breaks after as many bytes as the test says.
import type { Answer, AskEvent } from "../../src/contract/answer.ts";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { formatEvent } from "../../src/core/lib/sse.ts";
import { replay } from "../../src/core/reply/trim-stream.ts";

export interface Asked {
  method: string;
  path: string;
  headers: Record<string, string | undefined>;
  body: Record<string, unknown>;
  /** How often the same key had come before. */
  again: number;
  /** The client closed the connection before the answer's end. */
  left: Promise<void>;
}

export interface FakeRuns {
  url: string;
  asked: Asked[];
  /** How many calls of upstream that were: one for each key. */
  calls: () => number;
  close: () => Promise<void>;
}

export interface Script {
  events: readonly AskEvent[];
  /** Bytes of the body of the nth connection after which it breaks; undefined: it does not. */
  breakAfter?: (connection: number, asked: Asked) => number | undefined;
  /** A connection that ends too early ends cleanly: no chunk says that there was to be more. */
  cleanly?: boolean;
  /** In place of the stream; false: go on as usual. */
  instead?: (asked: Asked, response: ServerResponse, connection: number) => boolean;
  /** How an event is written down. */
  format?: (id: string, event: string, data: string) => string;
}

export const ANSWER: Answer = {
  id: "resp_ue1_one",
  previous_response_id: null,
  created_at: 1_795_392_262,
  model: "gpt-6-luna",
  status: "completed",
  text: "Grüße aus Zürich, 你好 😀!",
  usage: { input_tokens: 1, cached_tokens: 0, output_tokens: 2, reasoning_tokens: 0, total_tokens: 3 },
  reasoning_summary: "Hm.",
  tool_calls: [{ call_id: "call_1", name: "weather", arguments: '{"city":"Zürich"}' }],
};

/** The events of an answer whose text comes in pieces of that many characters. */
export function eventsOf(answer: Answer, length = 4): AskEvent[] {
  return replay(answer, "req_1").flatMap((one): AskEvent[] => {
    if (one.event !== "text") return [one];
    const pieces = one.data.delta.match(new RegExp(`.{1,${length}}`, "gsu")) ?? [];
    return pieces.map((delta) => ({ event: "text", data: { delta } }));
  });
}

export async function startFakeRuns(script: Script): Promise<FakeRuns> {
  const asked: Asked[] = [];
  const bodies = new Map<string, string>();
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const raw = Buffer.concat(pieces).toString();
    const { promise: left, resolve } = Promise.withResolvers<void>();
    response.on("close", () => !response.writableFinished && resolve());
    const one: Asked = {
      method: request.method ?? "",
      path: request.url ?? "",
      headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
      body: raw === "" ? {} : (JSON.parse(raw) as Record<string, unknown>),
      again: asked.filter(({ headers }) => headers["idempotency-key"] === request.headers["idempotency-key"]).length,
      left,
    };
    const connection = asked.push(one) - 1;
    if (script.instead?.(one, response, connection) === true) return;

    const key = one.headers["idempotency-key"] ?? "";
    if (bodies.has(key) && bodies.get(key) !== raw) return refuse(response, 422, "idempotency_key_reused");
    const [, run, last = "-1"] = /^(\w+)-(\d+)$/.exec(one.headers["last-event-id"] ?? "") ?? [];
    const own = `f${[...new Set([...bodies.keys(), key])].indexOf(key)}`;
    if (run !== undefined && (run !== own || !bodies.has(key))) return refuse(response, 409, "stream_lost");
    bodies.set(key, raw);
    if (one.body["stream"] !== true) return sendJson(response, 200, script.events.at(-1)?.data);

    const format = script.format ?? formatEvent;
    const frames = script.events.map(({ event, data }, n) =>
      n > Number(last) || event === "done" || event === "error"
        ? format(`${own}-${n}`, event, JSON.stringify(data))
        : "",
    );
    const bytes = Buffer.from(frames.join(""));
    const end = script.breakAfter?.(connection, one);
    const broken = end !== undefined && end < bytes.length;
    response.writeHead(200, {
      "content-type": "text/event-stream",
      ...(script.cleanly === true ? { connection: "close" } : {}),
    });
    if (script.cleanly === true) response.useChunkedEncodingByDefault = false;
    const sent = broken ? bytes.subarray(0, end) : bytes;
    if (!broken || script.cleanly === true) return void response.end(sent);
    response.flushHeaders();
    response.write(sent, () => response.socket?.destroy());
    return undefined;
  }

  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    calls: () => bodies.size,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

export function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
): void {
  const error = { message: `It says ${code}.`, type: "some_error", code, param: "", request_id: "req_9" };
  sendJson(response, status, { error }, headers);
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}
