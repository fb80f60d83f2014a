// What the console's chat keeps and sends when its page is left, reloaded or signed out of, without a page: storage and network are fakes
// of the browser's.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { formatEvent } from "../../src/core/sse.ts";
import { accountOf } from "../../src/page/console/account.ts";
import { Chat } from "../../src/page/console/chat/chat.ts";
import { forget, keeper, kept } from "../../src/page/console/kept.ts";
import { ANSWER } from "../support/fake-flights.ts";

interface Sent {
  method: string;
  path: string;
  key: string | null;
  after: string | null;
  body: Record<string, unknown>;
  /** Says an event; the last one ends it. */
  say: (n: number, event: string, data: object) => void;
}

const sent: Sent[] = [];
/** What GET gives for an id; absent: 404. */
let threads: Record<string, { input: string; answer: object }[]>;
/** Until then no GET is answered. */
let readable: Promise<unknown>;
let store: Map<string, string>;

function fakeFetch(url: string, init: RequestInit): Promise<Response> {
  const { pathname: path } = new URL(url, "http://worker.example");
  const headers = new Headers(init.headers);
  if (init.method === "GET") return read(path);
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  init.signal?.addEventListener("abort", () => void writer.abort(init.signal?.reason));
  sent.push({
    method: "POST",
    path,
    key: headers.get("idempotency-key"),
    after: headers.get("last-event-id"),
    body: JSON.parse(String(init.body)) as Record<string, unknown>,
    say(n, event, data) {
      writer.write(new TextEncoder().encode(formatEvent(`f0-${n}`, event, JSON.stringify(data)))).catch(() => undefined);
    },
  });
  return Promise.resolve(new Response(readable, { headers: { "content-type": "text/event-stream" } }));
}

async function read(path: string): Promise<Response> {
  await readable;
  const turns = threads[path.replace("/ask/", "")];
  if (turns !== undefined) return Response.json({ turns });
  return Response.json({ error: { message: "Gone.", code: "response_not_found", request_id: "req_1" } }, { status: 404 });
}

beforeEach(() => {
  store = new Map();
  threads = {};
  sent.length = 0;
  readable = Promise.resolve();
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

const open = (credential?: string): Chat => new Chat(accountOf(credential));
/** As a reload has it: the chat before is simply gone. */
const reload = (credential?: string): { chat: Chat; restored: Promise<void> } => {
  const chat = open(credential);
  return { chat, restored: chat.restore() };
};
const storage = (): string => JSON.stringify([...store]);
const sending = (count: number): Promise<void> => vi.waitFor(() => expect(sent.length).toBe(count));
const done = (id: string): object => ({ ...ANSWER, id });
const answered = async (chat: Chat, question: string, id: string): Promise<void> => {
  const count = sent.length;
  const asked = chat.ask(question, {});
  await sending(count + 1);
  sent[count]?.say(0, "start", {});
  sent[count]?.say(1, "done", done(id));
  await asked;
};

test("a page that is left before anything came asks the same with the same key, and forgets the text with the first event", async () => {
  void open().ask("Who?", { model: "m", cache: "refresh" });
  await sending(1);
  const { chat, restored } = reload();
  expect(chat.held).toBe(true);
  await sending(2);
  expect(sent[1]).toMatchObject({ key: sent[0]?.key, after: null, body: sent[0]?.body });
  expect(chat.running?.input).toBe("Who?");
  sent[1]?.say(0, "start", {});
  await vi.waitFor(() => expect(kept().flight).toEqual({ key: sent[0]?.key, event: "f0-0", previous: null }));
  expect(storage()).not.toContain("Who?");
  sent[1]?.say(1, "done", done("a"));
  await restored;
  expect(chat.conversation.path().map(({ input, text }) => [input, text])).toEqual([["Who?", ANSWER.text]]);
  expect(kept()).toMatchObject({ flight: null, leaves: ["a"], shown: "a" });
});

test("a follow-up that is left before anything came goes on after the same answer, whoever signed in anew to read that", async () => {
  const before = open("sk_key");
  await answered(before, "One.", "a");
  void before.ask("Two.", {});
  await sending(2);
  threads["a"] = [{ input: "One.", answer: done("a") }];
  const { chat, restored } = reload("sk_key");
  await sending(3);
  expect(sent[2]?.body).toMatchObject({ input: "Two.", previous_response_id: "a" });
  chat.stop();
  await restored;
});

test.each([
  ["by whom it may not be from", "sk_other", 0, false],
  ["that was stopped", undefined, 0, true],
  ["whose key is forgotten", undefined, 86_400_001, false],
])("a question %s is not sent again by itself, but when one wants it", async (_, credential, later, stop) => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const before = open(credential);
  const asked = before.ask("Who?", {});
  await sending(1);
  if (stop) {
    before.stop();
    await asked;
  }
  vi.setSystemTime(Date.now() + later);
  const { chat, restored } = reload(credential);
  await restored;
  expect(sent.length).toBe(1);
  const [turn] = chat.conversation.path();
  if (turn === undefined) throw new Error("the question is shown");
  expect(turn).toMatchObject({ input: "Who?", state: "stopped" });
  void chat.resume(turn);
  await sending(2);
  expect(sent[1]).toMatchObject({ key: sent[0]?.key, body: sent[0]?.body });
});

test("what can't be shown since another account reads nothing of it is said to be lost, and not asked", async () => {
  const before = open("sk_key");
  await answered(before, "One.", "a");
  void before.ask("Two.", {});
  await sending(2);
  const { chat, restored } = reload("sk_other");
  await restored;
  expect(chat.lost).toBe(true);
  expect(sent.length).toBe(2);
  expect(storage()).not.toContain("Two.");
  expect(chat.held).toBe(false);
});

test("nothing can be asked until what was there is read: it would follow the wrong answer", async () => {
  await answered(open(), "One.", "a");
  threads["a"] = [{ input: "One.", answer: done("a") }];
  const { promise, resolve } = Promise.withResolvers<void>();
  readable = promise;
  const { chat, restored } = reload();
  await chat.ask("Two.", {});
  expect(sent.length).toBe(1);
  expect([chat.held, chat.restoring]).toEqual([true, "reading"]);
  resolve();
  await restored;
  expect(chat.held).toBe(false);
  void chat.ask("Two.", {});
  await sending(2);
  expect(sent[1]?.body).toMatchObject({ input: "Two.", previous_response_id: "a" });
});

test("nor while it can't be read just now: it can be tried again, and its ids are not given up", async () => {
  await answered(open(), "One.", "a");
  threads["a"] = [{ input: "One.", answer: done("a") }];
  readable = Promise.reject(new TypeError("offline"));
  const { chat, restored } = reload();
  await restored;
  expect(chat.restoring).toMatchObject({ code: "unreachable" });
  await chat.ask("Two.", {});
  expect(sent.length).toBe(1);
  expect(kept().leaves).toEqual(["a"]);
  readable = Promise.resolve();
  await chat.restore();
  expect(chat.held).toBe(false);
  expect(chat.conversation.last()?.answer?.id).toBe("a");
});

test("the branch that was chosen last is the one that a reload shows, and that a question follows", async () => {
  const before = open();
  await answered(before, "One.", "a");
  const [one] = before.conversation.roots;
  if (one === undefined) throw new Error("it is there");
  void before.branch(one, "Other.", {});
  await sending(2);
  sent[1]?.say(0, "done", done("b"));
  await vi.waitFor(() => expect(kept().shown).toBe("b"));
  before.show(one);
  threads = { a: [{ input: "One.", answer: done("a") }], b: [{ input: "Other.", answer: done("b") }] };
  const { chat, restored } = reload();
  await restored;
  expect(chat.conversation.path().map(({ input }) => input)).toEqual(["One."]);
  void chat.ask("Two.", {});
  await sending(3);
  expect(sent[2]?.body).toMatchObject({ previous_response_id: "a" });
});

test("who signs out in the middle of an answer leaves nothing behind, whatever comes afterwards", async () => {
  const chat = open("sk_key");
  await answered(chat, "One.", "a");
  const asked = chat.ask("Two.", {});
  await sending(2);
  forget();
  sent[1]?.say(0, "start", {});
  await vi.waitFor(() => expect(chat.running?.event).toBe("f0-0"));
  chat.close();
  await asked;
  expect(storage()).toBe("[]");
});

test("who signs out while the conversation is read asks nothing any more", async () => {
  const before = open();
  await answered(before, "One.", "a");
  void before.ask("Two.", {});
  await sending(2);
  threads["a"] = [{ input: "One.", answer: done("a") }];
  const { promise, resolve } = Promise.withResolvers<void>();
  readable = promise;
  const { chat, restored } = reload();
  forget();
  chat.close();
  resolve();
  await restored;
  expect(sent.length).toBe(2);
  expect(storage()).toBe("[]");
});

test("what is kept after all was forgotten is that of who keeps it then", () => {
  const before = keeper();
  before({ jobs: ["job_1"] });
  forget();
  before({ jobs: ["job_2"] });
  expect(storage()).toBe("[]");
  keeper()({ jobs: ["job_3"] });
  expect(kept().jobs).toEqual(["job_3"]);
});

test("an answer that is continued after another was asked for outlives a reload, from its first event", async () => {
  const chat = open();
  const first = chat.ask("One.", {});
  await sending(1);
  sent[0]?.say(0, "start", {});
  sent[0]?.say(1, "text", { delta: "half" });
  await vi.waitFor(() => expect(chat.running?.text).toBe("half"));
  chat.stop();
  await first;
  const [turn] = chat.conversation.roots;
  await answered(chat, "Other.", "b");
  if (turn === undefined) throw new Error("it is there");
  void chat.resume(turn);
  await sending(3);
  expect(sent[2]).toMatchObject({ after: "f0-1" });
  expect(kept().flight).toEqual({ key: sent[0]?.key, event: "f0-0", previous: null });
});
