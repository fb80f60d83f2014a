// The console's chat without a page: storage and network are fakes, and a reload simply drops the earlier chat. Each test file calls
// `consoleStage` once.
import { afterEach, beforeEach, expect, vi } from "vitest";
import { formatEvent } from "../../src/core/lib/sse.ts";
import { accountOf } from "../../src/console/lib/account.ts";
import { Chat } from "../../src/console/chat/model/chat.ts";
import { ANSWER } from "./fake-runs.ts";

export interface Sent {
  path: string;
  key: string | null;
  after: string | null;
  body: Record<string, unknown>;
  /** Sends an event; `done` and `error` are the last. */
  send: (n: number, event: string, data: object) => void;
  /** Breaks the connection. */
  cut: () => void;
}

interface Stage {
  sent: Sent[];
  /** The response of GET by id; absent: 404. */
  threads: Record<string, { input: string; answer: object }[]>;
  /** Replaces the response of a GET or POST. */
  instead: (method: string, path: string) => Response | undefined;
  /** No GET is answered before this resolves. */
  readable: Promise<unknown>;
  storage: () => string;
}

export function consoleStage(): Stage {
  let store = new Map<string, string>();
  const stage: Stage = {
    sent: [],
    threads: {},
    instead: () => undefined,
    readable: Promise.resolve(),
    storage: () => JSON.stringify([...store]),
  };

  async function read(path: string): Promise<Response> {
    await stage.readable;
    const instead = stage.instead("GET", path);
    if (instead !== undefined) return instead;
    const turns = stage.threads[path.replace("/ask/", "")];
    if (turns !== undefined) return Response.json({ turns });
    return refusal(404, "response_not_found");
  }

  function fakeFetch(url: string, init: RequestInit): Promise<Response> {
    const { pathname: path } = new URL(url, "http://worker.example");
    const headers = new Headers(init.headers);
    if (init.method === "GET") return read(path);
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    init.signal?.addEventListener("abort", () => void writer.abort(init.signal?.reason).catch(() => undefined));
    stage.sent.push({
      path,
      key: headers.get("idempotency-key"),
      after: headers.get("last-event-id"),
      body: JSON.parse(String(init.body)) as Record<string, unknown>,
      send(n, event, data) {
        writer
          .write(new TextEncoder().encode(formatEvent(`f0-${n}`, event, JSON.stringify(data))))
          .catch(() => undefined);
      },
      cut: () => void writer.abort(new TypeError("cut")).catch(() => undefined),
    });
    return Promise.resolve(
      stage.instead("POST", path) ?? new Response(readable, { headers: { "content-type": "text/event-stream" } }),
    );
  }

  beforeEach(() => {
    store = new Map();
    Object.assign(stage, { threads: {}, instead: () => undefined, readable: Promise.resolve() });
    stage.sent.length = 0;
    vi.stubGlobal("fetch", fakeFetch);
    vi.stubGlobal("location", { origin: "http://worker.example" });
    vi.stubGlobal("sessionStorage", {
      getItem: (name: string) => store.get(name) ?? null,
      setItem: (name: string, value: string) => void store.set(name, value),
      removeItem: (name: string) => void store.delete(name),
    });
  });
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });
  return stage;
}

export function refusal(status: number, code: string, headers: Record<string, string> = {}): Response {
  return Response.json({ error: { message: `It is ${code}.`, code, request_id: "req_1" } }, { status, headers });
}

export const openChat = (credential?: string): Chat => new Chat(accountOf(credential));
/** Starts a chat as a reload does: the earlier one is simply gone. */
export const reload = (credential?: string): { chat: Chat; restored: Promise<void> } => {
  const chat = openChat(credential);
  return { chat, restored: chat.restore() };
};
export const done = (id: string): object => ({ ...ANSWER, id });
export const waitForSent = ({ sent }: Stage, count: number): Promise<void> =>
  vi.waitFor(() => expect(sent.length).toBe(count));
export async function answerQuestion(stage: Stage, chat: Chat, question: string, id: string): Promise<void> {
  const count = stage.sent.length;
  const finished = chat.ask(question, {});
  await waitForSent(stage, count + 1);
  stage.sent[count]?.send(0, "start", {});
  stage.sent[count]?.send(1, "done", done(id));
  await finished;
}
