// The server of the typed client's unit tests: docs/contract.md §6 in a few lines of node:http. It has one recording per Idempotency-Key,
// resumes after Last-Event-ID, and breaks connections after as many bytes as a test wants.
import type { Answer, AskEvent } from "../../src/contract/answer.ts";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { formatEvent } from "../../src/core/lib/sse.ts";
import { eventsOfAnswer } from "../../src/core/reply/trim-stream.ts";

export interface ReceivedRequest {
  method: string;
  path: string;
  headers: Record<string, string | undefined>;
  body: Record<string, unknown>;
  /** The number of earlier requests with the same key. */
  repeats: number;
  /** Resolves when the client closes the connection before the end of the response. */
  disconnected: Promise<void>;
}

export interface FakeRuns {
  url: string;
  requests: ReceivedRequest[];
  /** The number of upstream calls that a Worker would make for the requests: one per key. */
  calls: () => number;
  close: () => Promise<void>;
}

export interface Script {
  events: readonly AskEvent[];
  /** The number of bytes that the nth connection sends before it breaks; undefined: it does not break. */
  breakAfter?: (connection: number, request: ReceivedRequest) => number | undefined;
  /** A broken connection ends cleanly, as if the response were complete. */
  endsCleanly?: boolean;
  /** Responds instead of the fake; false: the fake responds. */
  instead?: (request: ReceivedRequest, response: ServerResponse, connection: number) => boolean;
  /** Replaces the format of an event. */
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

/** The events of an answer, its text in deltas of `length` characters. */
export function eventsOf(answer: Answer, length = 4): AskEvent[] {
  return eventsOfAnswer(answer, "req_1").flatMap((one): AskEvent[] => {
    if (one.event !== "text") return [one];
    const pieces = one.data.delta.match(new RegExp(`.{1,${length}}`, "gsu")) ?? [];
    return pieces.map((delta) => ({ event: "text", data: { delta } }));
  });
}

export async function startFakeRuns(script: Script): Promise<FakeRuns> {
  const requests: ReceivedRequest[] = [];
  const bodies = new Map<string, string>();
  const server = createServer((request, response) => void answer(request, response).catch(() => response.destroy()));

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const raw = Buffer.concat(pieces).toString();
    const { promise: disconnected, resolve } = Promise.withResolvers<void>();
    response.on("close", () => !response.writableFinished && resolve());
    const received: ReceivedRequest = {
      method: request.method ?? "",
      path: request.url ?? "",
      headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
      body: raw === "" ? {} : (JSON.parse(raw) as Record<string, unknown>),
      repeats: requests.filter(({ headers }) => headers["idempotency-key"] === request.headers["idempotency-key"])
        .length,
      disconnected,
    };
    const connection = requests.push(received) - 1;
    if (script.instead?.(received, response, connection) === true) return;

    const key = received.headers["idempotency-key"] ?? "";
    if (bodies.has(key) && bodies.get(key) !== raw) return refuse(response, 422, "idempotency_key_reused");
    const [, run, last = "-1"] = /^(\w+)-(\d+)$/.exec(received.headers["last-event-id"] ?? "") ?? [];
    const own = `f${[...new Set([...bodies.keys(), key])].indexOf(key)}`;
    if (run !== undefined && (run !== own || !bodies.has(key))) return refuse(response, 409, "stream_lost");
    bodies.set(key, raw);
    if (received.body["stream"] !== true) return sendJson(response, 200, script.events.at(-1)?.data);

    const format = script.format ?? formatEvent;
    const frames = script.events.map(({ event, data }, n) =>
      n > Number(last) || event === "done" || event === "error"
        ? format(`${own}-${n}`, event, JSON.stringify(data))
        : "",
    );
    const bytes = Buffer.from(frames.join(""));
    const end = script.breakAfter?.(connection, received);
    const broken = end !== undefined && end < bytes.length;
    response.writeHead(200, {
      "content-type": "text/event-stream",
      ...(script.endsCleanly === true ? { connection: "close" } : {}),
    });
    if (script.endsCleanly === true) response.useChunkedEncodingByDefault = false;
    const sent = broken ? bytes.subarray(0, end) : bytes;
    if (!broken || script.endsCleanly === true) return void response.end(sent);
    response.flushHeaders();
    response.write(sent, () => response.socket?.destroy());
    return undefined;
  }

  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
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
