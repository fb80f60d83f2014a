// The console's chat when its page is closed, reloaded or signed out of: what it stores, and what it sends. There is no page: storage and
// network are fakes.
import { expect, test, vi } from "vitest";
import { clearSession, createSessionWriter, readSession } from "../../src/console/session/session-store.ts";
import { answerQuestion, consoleStage, done, openChat, reload, waitForSent } from "../support/console-stage.ts";
import { ANSWER } from "../support/fake-runs.ts";

const stage = consoleStage();
const { sent, storage } = stage;

test("a reload before the first event sends the same question with the same key, and the first event removes the stored text", async () => {
  void openChat().ask("Who?", { model: "m", cache: "refresh" });
  await waitForSent(stage, 1);
  const { chat, restored } = reload();
  expect(chat.isBusy).toBe(true);
  await waitForSent(stage, 2);
  expect(sent[1]).toMatchObject({ key: sent[0]?.key, after: null, body: sent[0]?.body });
  expect(chat.running?.input).toBe("Who?");
  sent[1]?.send(0, "start", {});
  await vi.waitFor(() =>
    expect(readSession().run).toEqual({ key: sent[0]?.key, lastEventId: "f0-0", previousId: null }),
  );
  expect(storage()).not.toContain("Who?");
  sent[1]?.send(1, "done", done("a"));
  await restored;
  expect(chat.conversation.path().map(({ input, text }) => [input, text])).toEqual([["Who?", ANSWER.text]]);
  expect(readSession()).toMatchObject({ run: null, leaves: ["a"], shownId: "a" });
});

test("a follow-up that has received no event is sent again after the same answer, for an account that can read that answer", async () => {
  const before = openChat("sk_key");
  await answerQuestion(stage, before, "One.", "a");
  void before.ask("Two.", {});
  await waitForSent(stage, 2);
  stage.threads["a"] = [{ input: "One.", answer: done("a") }];
  const { chat, restored } = reload("sk_key");
  await waitForSent(stage, 3);
  expect(sent[2]?.body).toMatchObject({ input: "Two.", previous_response_id: "a" });
  chat.stop();
  await restored;
});

test.each([
  ["that may be another account's", "sk_other", 0, false],
  ["that was stopped", undefined, 0, true],
  ["whose key has expired", undefined, 86_400_001, false],
])("a question %s is not sent again until the user asks for it", async (_, credential, elapsedMs, stop) => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const before = openChat(credential);
  const finished = before.ask("Who?", {});
  await waitForSent(stage, 1);
  if (stop) {
    before.stop();
    await finished;
  }
  vi.setSystemTime(Date.now() + elapsedMs);
  const { chat, restored } = reload(credential);
  await restored;
  expect(sent.length).toBe(1);
  const [turn] = chat.conversation.path();
  if (turn === undefined) throw new Error("the question is shown");
  expect(turn).toMatchObject({ input: "Who?", state: "stopped" });
  void chat.resume(turn);
  await waitForSent(stage, 2);
  expect(sent[1]).toMatchObject({ key: sent[0]?.key, body: sent[0]?.body });
});

test("another account's run is reported as discarded, and not sent", async () => {
  const before = openChat("sk_key");
  await answerQuestion(stage, before, "One.", "a");
  void before.ask("Two.", {});
  await waitForSent(stage, 2);
  const { chat, restored } = reload("sk_other");
  await restored;
  expect(chat.discardedRun).toBe(true);
  expect(sent.length).toBe(2);
  expect(storage()).not.toContain("Two.");
  expect(chat.isBusy).toBe(false);
});

test("no question can be sent until the conversation is read, because it would follow the wrong answer", async () => {
  await answerQuestion(stage, openChat(), "One.", "a");
  stage.threads["a"] = [{ input: "One.", answer: done("a") }];
  const { promise, resolve } = Promise.withResolvers<void>();
  stage.readable = promise;
  const { chat, restored } = reload();
  await chat.ask("Two.", {});
  expect(sent.length).toBe(1);
  expect(chat.state).toEqual({ name: "reading" });
  resolve();
  await restored;
  expect(chat.isBusy).toBe(false);
  void chat.ask("Two.", {});
  await waitForSent(stage, 2);
  expect(sent[1]?.body).toMatchObject({ input: "Two.", previous_response_id: "a" });
});

test("no question can be sent while the conversation can't be read; its ids stay stored, and reading can be tried again", async () => {
  await answerQuestion(stage, openChat(), "One.", "a");
  stage.threads["a"] = [{ input: "One.", answer: done("a") }];
  stage.readable = Promise.reject(new TypeError("offline"));
  const { chat, restored } = reload();
  await restored;
  expect(chat.state).toMatchObject({ name: "unreadable", failure: { code: "unreachable" } });
  await chat.ask("Two.", {});
  expect(sent.length).toBe(1);
  expect(readSession().leaves).toEqual(["a"]);
  stage.readable = Promise.resolve();
  await chat.restore();
  expect(chat.isBusy).toBe(false);
  expect(chat.conversation.last()?.answer?.id).toBe("a");
});

test("a reload shows the branch that was chosen last, and the next question follows it", async () => {
  const before = openChat();
  await answerQuestion(stage, before, "One.", "a");
  const [one] = before.conversation.roots;
  if (one === undefined) throw new Error("the turn exists");
  void before.branch(one, "Other.", {});
  await waitForSent(stage, 2);
  sent[1]?.send(0, "done", done("b"));
  await vi.waitFor(() => expect(readSession().shownId).toBe("b"));
  before.show(one);
  stage.threads = { a: [{ input: "One.", answer: done("a") }], b: [{ input: "Other.", answer: done("b") }] };
  const { chat, restored } = reload();
  await restored;
  expect(chat.conversation.path().map(({ input }) => input)).toEqual(["One."]);
  void chat.ask("Two.", {});
  await waitForSent(stage, 3);
  expect(sent[2]?.body).toMatchObject({ previous_response_id: "a" });
});

test("signing out in the middle of an answer stores nothing, even if more events arrive", async () => {
  const chat = openChat("sk_key");
  await answerQuestion(stage, chat, "One.", "a");
  const finished = chat.ask("Two.", {});
  await waitForSent(stage, 2);
  clearSession();
  sent[1]?.send(0, "start", {});
  await vi.waitFor(() => expect(chat.running?.lastEventId).toBe("f0-0"));
  chat.close();
  await finished;
  expect(storage()).toBe("[]");
});

test("signing out while the conversation is being read sends nothing more", async () => {
  const before = openChat();
  await answerQuestion(stage, before, "One.", "a");
  void before.ask("Two.", {});
  await waitForSent(stage, 2);
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

test("clearSession() disables existing session writers", () => {
  const before = createSessionWriter();
  before({ jobs: ["job_1"] });
  clearSession();
  before({ jobs: ["job_2"] });
  expect(storage()).toBe("[]");
  createSessionWriter()({ jobs: ["job_3"] });
  expect(readSession().jobs).toEqual(["job_3"]);
});

test("a run that is resumed after another question is stored with its first event, after which a reload resumes it", async () => {
  const chat = openChat();
  const first = chat.ask("One.", {});
  await waitForSent(stage, 1);
  sent[0]?.send(0, "start", {});
  sent[0]?.send(1, "text", { delta: "half" });
  await vi.waitFor(() => expect(chat.running?.text).toBe("half"));
  chat.stop();
  await first;
  const [turn] = chat.conversation.roots;
  await answerQuestion(stage, chat, "Other.", "b");
  if (turn === undefined) throw new Error("the turn exists");
  void chat.resume(turn);
  await waitForSent(stage, 3);
  expect(sent[2]).toMatchObject({ after: "f0-1" });
  expect(readSession().run).toEqual({ key: sent[0]?.key, lastEventId: "f0-0", previousId: null });
});
