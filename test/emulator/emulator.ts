// An emulator of UniAPI on loopback: `POST /v1/responses` with stored conversations, streams and a menu of faults.
// It answers by rule, without a model, and marks every answer. `npm start` and the tests use it.
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

import { answerCall } from "./answer.ts";
import { deliver, type Progress } from "./deliver.ts";
import { invalidJson, invalidKey, invalidUrl, modelRequired } from "./errors.ts";
import { newRequestId } from "./ids.ts";
import { asObject, asText, type Json, parseExactJson, parseJson } from "./json.ts";
import { type Memory, createMemory } from "./memory.ts";
import { modelList } from "./models.ts";
import { jsonScript, type Script } from "./script.ts";

export type EmulatorOptions = {
  /** 0, the default, takes any free port. */
  port?: number;
  /** If set, every other key is refused as UniAPI refuses it. If not, any key is accepted. */
  key?: string;
  /** Pause before each delta of a stream. */
  paceMs?: number;
};

export type ReceivedRequest = Progress & {
  method: string;
  path: string;
  headers: Record<string, string>;
  /** The parsed JSON, or null if the body is not JSON. */
  body: unknown;
  raw: string;
  at: number;
};

export type Emulator = {
  url: string;
  port: number;
  /** All requests except those to /emulator/…, updated in place while they are answered. */
  received: ReceivedRequest[];
  /** The number of POST /v1/responses since the start or the last clear(). */
  calls(): number;
  clear(): void;
  deleteResponses(id?: string): void;
  close(): Promise<void>;
};

const RECEIVED_MAX_REQUESTS = 10_000;

type State = {
  readonly options: EmulatorOptions;
  readonly memory: Memory;
  readonly received: ReceivedRequest[];
  readonly refusedOnce: Set<string>;
  calls: number;
  port: number;
};

export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const state: State = {
    options,
    memory: createMemory(),
    received: [],
    refusedOnce: new Set(),
    calls: 0,
    port: 0,
  };
  const server = createServer((request, response) => {
    serve(state, request, response).catch((error: unknown) => {
      // A client that disconnects while it sends its request is not a fault of the emulator.
      if (request.complete) console.error(error);
      response.destroy();
    });
  });
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  state.port = (server.address() as AddressInfo).port;
  return {
    url: `http://127.0.0.1:${state.port}`,
    port: state.port,
    received: state.received,
    calls: () => state.calls,
    clear: () => clear(state),
    deleteResponses: (id) => state.memory.delete(id),
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function clear(state: State): void {
  state.received.length = 0;
  state.refusedOnce.clear();
  state.calls = 0;
}

async function serve(state: State, incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Uint8Array);
  const raw = Buffer.concat(chunks).toString("utf8");
  const path = incoming.url ?? "/";
  const [pathname = "", query] = path.split("?");
  const request: ReceivedRequest = {
    method: incoming.method ?? "",
    path,
    headers: Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value ?? "")])),
    body: parseJson(raw) ?? null,
    raw,
    at: Date.now(),
    ended: "open",
    events_sent: 0,
  };
  if (pathname.startsWith("/emulator/")) {
    await deliver(controlScript(state, request.method, pathname, new URLSearchParams(query)), response, request);
    return;
  }
  state.received.push(request);
  if (state.received.length > RECEIVED_MAX_REQUESTS) state.received.shift();
  await reply(state, request, pathname, response);
}

async function reply(
  state: State,
  request: ReceivedRequest,
  pathname: string,
  response: ServerResponse,
): Promise<void> {
  const requestId = newRequestId();
  response.setHeader("X-Oneapi-Request-Id", requestId);
  const route = `${request.method} ${pathname}`;
  if (route === "POST /v1/responses") state.calls += 1;

  const [, key] = /^Bearer\s+(\S+)$/i.exec(request.headers["authorization"] ?? "") ?? [];
  const expectedKey = state.options.key ?? key;
  if (key === undefined || key !== expectedKey) {
    await deliver(invalidKey(requestId), response, request);
    return;
  }
  if (route !== "POST /v1/responses") {
    const script = accountScript(route) ?? invalidUrl(request.method, pathname);
    await deliver(script, response, request);
    return;
  }
  const body = asObject(parseExactJson(request.raw));
  const model = asText(body?.["model"]) ?? "";
  if (!body || model === "") {
    const script = body ? modelRequired(requestId) : invalidJson(requestId);
    await deliver(script, response, request);
    return;
  }
  const { raw } = request;
  const { port, refusedOnce } = state;
  const stream = body["stream"] === true;
  const call = { body, raw, model, stream, key, requestId, port, refusedOnce };
  const { script, storedId } = answerCall(call, state.memory, state.options.paceMs ?? 0);
  await deliver(script, response, request);
  // OpenAI cancels a generation when its client disconnects, and does not store it.
  if (request.ended === "client_left") state.memory.delete(storedId ?? "");
}

function accountScript(route: string): Script | undefined {
  switch (route) {
    case "GET /v1/models":
      return jsonScript(200, modelList());
    case "GET /v1/billing/usage":
      return jsonScript(200, {
        data: { balance: -1, used: 0.000024, cache_used: 0 },
        success: true,
      });
    default:
      return undefined;
  }
}

/** For tests in another process. `GET /emulator/requests?holds=TEXT` lists the requests whose body contains the text. */
function controlScript(state: State, method: string, pathname: string, query: URLSearchParams): Script {
  const [, list, id] = /^\/emulator\/(requests|responses)(?:\/(.+))?$/.exec(pathname) ?? [];
  if (method === "GET" && list === "requests") {
    const requests = state.received.filter(({ raw }) => raw.includes(query.get("holds") ?? ""));
    return jsonScript(200, { calls: state.calls, requests: requests as unknown as Json });
  }
  if (method !== "DELETE" || list === undefined) return invalidUrl(method, pathname);
  if (list === "requests") clear(state);
  else state.memory.delete(id);
  return jsonScript(200, { done: true });
}
