// What the console's chat keeps and sends when its page is left, reloaded or signed out of, without a page: storage and network are fakes
// of the browser's.
import { expect, test, vi } from "vitest";
import { clearSession, sessionWriter, storedSession } from "../../src/console/session/session-store.ts";
import { answered, consoleStage, done, open, reload, sending } from "../support/console-stage.ts";
import { ANSWER } from "../support/fake-runs.ts";

const stage = consoleStage();
const { sent, storage } = stage;

test("a page that is left before anything came asks the same with the same key, and forgets the text with the first event", async () => {
  void open().ask("Who?", { model: "m", cache: "refresh" });
  await sending(stage, 1);
  const { chat, restored } = reload();
  expect(chat.held).toBe(true);
  await sending(stage, 2);
  expect(sent[1]).toMatchObject({ key: sent[0]?.key, after: null, body: sent[0]?.body });
  expect(chat.running?.input).toBe("Who?");
  sent[1]?.say(0, "start", {});
  await vi.waitFor(() => expect(storedSession().run).toEqual({ key: sent[0]?.key, event: "f0-0", previous: null }));
  expect(storage()).not.toContain("Who?");
  sent[1]?.say(1, "done", done("a"));
  await restored;
  expect(chat.conversation.path().map(({ input, text }) => [input, text])).toEqual([["Who?", ANSWER.text]]);
  expect(storedSession()).toMatchObject({ flight: null, leaves: ["a"], shown: "a" });
});

test("a follow-up that is left before anything came goes on after the same answer, whoever signed in anew to read that", async () => {
  const before = open("sk_key");
  await answered(stage, before, "One.", "a");
  void before.ask("Two.", {});
  await sending(stage, 2);
  stage.threads["a"] = [{ input: "One.", answer: done("a") }];
  const { chat, restored } = reload("sk_key");
  await sending(stage, 3);
  expect(sent[2]?.body).toMatchObject({ input: "Two.", previous_response_id: "a" });
  chat.stop();
  await restored;
});

test.each([
  ["by whom it may not be from", "sk_other", 0, false],
  ["that was stopped", undefined, 0, true],
  ["whose key is forgotten", undefined, 86_400_001, false],
])("a question %s is not sent again by itself, but when one wants it", async (_, credential, waitUntil, stop) => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const before = open(credential);
  const asked = before.ask("Who?", {});
  await sending(stage, 1);
  if (stop) {
    before.stop();
    await asked;
  }
  vi.setSystemTime(Date.now() + waitUntil);
  const { chat, restored } = reload(credential);
  await restored;
  expect(sent.length).toBe(1);
  const [turn] = chat.conversation.path();
  if (turn === undefined) throw new Error("the question is shown");
  expect(turn).toMatchObject({ input: "Who?", state: "stopped" });
  void chat.resume(turn);
  await sending(stage, 2);
  expect(sent[1]).toMatchObject({ key: sent[0]?.key, body: sent[0]?.body });
});

test("what can't be shown since another account reads nothing of it is said to be lost, and not asked", async () => {
  const before = open("sk_key");
  await answered(stage, before, "One.", "a");
  void before.ask("Two.", {});
  await sending(stage, 2);
  const { chat, restored } = reload("sk_other");
  await restored;
  expect(chat.lost).toBe(true);
  expect(sent.length).toBe(2);
  expect(storage()).not.toContain("Two.");
  expect(chat.held).toBe(false);
});

test("nothing can be asked until what was there is read: it would follow the wrong answer", async () => {
  await answered(stage, open(), "One.", "a");
  stage.threads["a"] = [{ input: "One.", answer: done("a") }];
  const { promise, resolve } = Promise.withResolvers<void>();
  stage.readable = promise;
  const { chat, restored } = reload();
  await chat.ask("Two.", {});
  expect(sent.length).toBe(1);
  expect([chat.held, chat.restoring]).toEqual([true, "reading"]);
  resolve();
  await restored;
  expect(chat.held).toBe(false);
  void chat.ask("Two.", {});
  await sending(stage, 2);
  expect(sent[1]?.body).toMatchObject({ input: "Two.", previous_response_id: "a" });
});

test("nor while it can't be read just now: it can be tried again, and its ids are not given up", async () => {
  await answered(stage, open(), "One.", "a");
  stage.threads["a"] = [{ input: "One.", answer: done("a") }];
  stage.readable = Promise.reject(new TypeError("offline"));
  const { chat, restored } = reload();
  await restored;
  expect(chat.restoring).toMatchObject({ code: "unreachable" });
  await chat.ask("Two.", {});
  expect(sent.length).toBe(1);
  expect(storedSession().leaves).toEqual(["a"]);
  stage.readable = Promise.resolve();
  await chat.restore();
  expect(chat.held).toBe(false);
  expect(chat.conversation.last()?.answer?.id).toBe("a");
});

test("the branch that was chosen last is the one that a reload shows, and that a question follows", async () => {
  const before = open();
  await answered(stage, before, "One.", "a");
  const [one] = before.conversation.roots;
  if (one === undefined) throw new Error("it is there");
  void before.branch(one, "Other.", {});
  await sending(stage, 2);
  sent[1]?.say(0, "done", done("b"));
  await vi.waitFor(() => expect(storedSession().shown).toBe("b"));
  before.show(one);
  stage.threads = { a: [{ input: "One.", answer: done("a") }], b: [{ input: "Other.", answer: done("b") }] };
  const { chat, restored } = reload();
  await restored;
  expect(chat.conversation.path().map(({ input }) => input)).toEqual(["One."]);
  void chat.ask("Two.", {});
  await sending(stage, 3);
  expect(sent[2]?.body).toMatchObject({ previous_response_id: "a" });
});

test("who signs out in the middle of an answer leaves nothing behind, whatever comes afterwards", async () => {
  const chat = open("sk_key");
  await answered(stage, chat, "One.", "a");
  const asked = chat.ask("Two.", {});
  await sending(stage, 2);
  clearSession();
  sent[1]?.say(0, "start", {});
  await vi.waitFor(() => expect(chat.running?.event).toBe("f0-0"));
  chat.close();
  await asked;
  expect(storage()).toBe("[]");
});

test("who signs out while the conversation is read asks nothing any more", async () => {
  const before = open();
  await answered(stage, before, "One.", "a");
  void before.ask("Two.", {});
  await sending(stage, 2);
  stage.threads["a"] = [{ input: "One.", answer: done("a") }];
  const { promise, resolve } = Promise.withResolvers<void>();
  stage.readable = promise;
  const { chat, restored } = reload();
  clearSession();
  chat.close();
  resolve();
  await restored;
  expect(sent.length).toBe(2);
  expect(storage()).toBe("[]");
});

test("what is kept after all was forgotten is that of who keeps it then", () => {
  const before = sessionWriter();
  before({ jobs: ["job_1"] });
  clearSession();
  before({ jobs: ["job_2"] });
  expect(storage()).toBe("[]");
  sessionWriter()({ jobs: ["job_3"] });
  expect(storedSession().jobs).toEqual(["job_3"]);
});

test("an answer that is continued after another was asked for outlives a reload, from its first event", async () => {
  const chat = open();
  const first = chat.ask("One.", {});
  await sending(stage, 1);
  sent[0]?.say(0, "start", {});
  sent[0]?.say(1, "text", { delta: "half" });
  await vi.waitFor(() => expect(chat.running?.text).toBe("half"));
  chat.stop();
  await first;
  const [turn] = chat.conversation.roots;
  await answered(stage, chat, "Other.", "b");
  if (turn === undefined) throw new Error("it is there");
  void chat.resume(turn);
  await sending(stage, 3);
  expect(sent[2]).toMatchObject({ after: "f0-1" });
  expect(storedSession().run).toEqual({ key: sent[0]?.key, event: "f0-0", previous: null });
});
