// A reload of the console's chat when something can't be read: no answer that may be paid for is given up.
import { expect, test, vi } from "vitest";
import { readSession } from "../../src/console/session/session-store.ts";
import {
  answerQuestion,
  consoleStage,
  done,
  openChat,
  refusal,
  reload,
  waitForSent,
} from "../support/console-stage.ts";

const stage = consoleStage();
const { sent } = stage;

/** A conversation of one turn, closed after the first event of a second question. */
async function leaveMidStream(credential?: string): Promise<void> {
  const before = openChat(credential);
  await answerQuestion(stage, before, "One.", "a");
  void before.ask("Two.", {});
  await waitForSent(stage, 2);
  sent[1]?.send(0, "start", {});
  await vi.waitFor(() => expect(readSession().run?.lastEventId).toBe("f0-0"));
}

const PAST_KV_DELAY_MS = 121_000;
const passKvDelay = (): void => {
  vi.useFakeTimers({ toFake: ["Date"] });
  vi.setSystemTime(Date.now() + PAST_KV_DELAY_MS);
};

test.each<[string, () => Response]>([
  ["an HTML error page", () => new Response("<h1>502</h1>", { status: 502, headers: { "content-type": "text/html" } })],
  ["an HTML page with status 200", () => new Response("<h1>Wait</h1>")],
  ["a truncated body", () => new Response('{"turns":[{"inp')],
  ["a body without turns", () => Response.json({})],
  ["internal_error", () => refusal(500, "internal_error")],
  ["a session that has expired", () => refusal(401, "invalid_credentials")],
  ["a conversation that is too long to read", () => refusal(400, "conversation_too_long")],
  ["not found, within the time that KV needs", () => refusal(404, "response_not_found")],
])(
  "a conversation that can't be read (%s) remains stored, and nothing is sent until it can be read",
  async (_, instead) => {
    await leaveMidStream();
    stage.threads["a"] = [{ input: "One.", answer: done("a") }];
    stage.instead = (method) => (method === "GET" ? instead() : undefined);
    const { chat, restored } = reload();
    await restored;
    expect(chat.isBusy).toBe(true);
    await chat.ask("Three.", {});
    expect(sent.length).toBe(2);
    expect(readSession()).toMatchObject({ leaves: ["a"], run: { key: sent[1]?.key, previousId: "a" } });
    stage.instead = () => undefined;
    void chat.restore();
    await waitForSent(stage, 3);
    expect(sent[2]).toMatchObject({ key: sent[1]?.key, after: "f0-0" });
    expect(chat.running?.parent?.answer?.id).toBe("a");
  },
);

test("a run whose conversation is gone is still resumed, and the next question follows it", async () => {
  await leaveMidStream();
  passKvDelay();
  const { chat, restored } = reload();
  await waitForSent(stage, 3);
  expect(sent[2]).toMatchObject({ key: sent[1]?.key, after: "f0-0" });
  sent[2]?.send(1, "done", done("b"));
  await restored;
  expect(chat.gone).toBe(true);
  expect(chat.conversation.path().map(({ previousId, state }) => [previousId, state])).toEqual([["a", "done"]]);
  expect(readSession()).toMatchObject({ run: null, leaves: ["b"] });
  void chat.ask("Three.", {});
  await waitForSent(stage, 4);
  expect(sent[3]?.body).toMatchObject({ previous_response_id: "b" });
});

test("a run whose conversation can't be read is resumed if the user continues without it", async () => {
  await leaveMidStream();
  stage.instead = (method) => (method === "GET" ? refusal(400, "conversation_too_long") : undefined);
  const { chat, restored } = reload();
  await restored;
  const finished = chat.continueWithout();
  await waitForSent(stage, 3);
  expect(sent[2]).toMatchObject({ key: sent[1]?.key, after: "f0-0" });
  sent[2]?.send(1, "done", done("b"));
  await finished;
  expect([chat.isBusy, chat.unread?.code]).toEqual([false, "conversation_too_long"]);
  expect(readSession().leaves.toSorted(), "the unread branch stays stored").toEqual(["a", "b"]);
});

test("a question that has received no event is sent with its parent's id, even if the parent can't be shown", async () => {
  const before = openChat();
  await answerQuestion(stage, before, "One.", "a");
  void before.ask("Two.", {});
  await waitForSent(stage, 2);
  passKvDelay();
  const { chat, restored } = reload();
  await waitForSent(stage, 3);
  expect(sent[2]).toMatchObject({ key: sent[1]?.key, body: sent[1]?.body });
  expect(sent[2]?.body).toMatchObject({ previous_response_id: "a" });
  chat.stop();
  await restored;
  const [turn] = chat.conversation.path();
  if (turn === undefined) throw new Error("the turn is on display");
  void chat.retry(turn, {});
  await waitForSent(stage, 4);
  expect(sent[3]?.body, "a retry does not start a new conversation").toMatchObject({
    input: "Two.",
    previous_response_id: "a",
  });
  chat.stop();
  await vi.waitFor(() => expect(chat.isBusy).toBe(false));
  void chat.ask("Instead of two.", {});
  await waitForSent(stage, 5);
  expect(sent[4]?.body, "neither does the next question").toMatchObject({ previous_response_id: "a" });
});

test("with a publishable key, which can read nothing by id, a follow-up is resumed to its end", async () => {
  await leaveMidStream("pk_site");
  const { chat, restored } = reload("pk_site");
  await restored;
  const finished = chat.showUnclaimed();
  await waitForSent(stage, 3);
  expect(sent[2]).toMatchObject({ key: sent[1]?.key, after: "f0-0" });
  sent[2]?.send(1, "done", done("b"));
  await finished;
  void chat.ask("Three.", {});
  await waitForSent(stage, 4);
  expect(sent[3]?.body).toMatchObject({ previous_response_id: "b" });
});

test("a branch that can't be read and is not displayed is reported as missing, and read on request", async () => {
  const before = openChat();
  await answerQuestion(stage, before, "One.", "a");
  const [one] = before.conversation.roots;
  if (one === undefined) throw new Error("the turn exists");
  void before.branch(one, "Other.", {});
  await waitForSent(stage, 2);
  sent[1]?.send(0, "done", done("b"));
  await vi.waitFor(() => expect(readSession().shownId).toBe("b"));
  stage.threads = { b: [{ input: "Other.", answer: done("b") }] };
  const { chat, restored } = reload();
  await restored;
  expect([chat.isBusy, chat.unread?.code]).toEqual([false, "response_not_found"]);
  stage.threads["a"] = [{ input: "One.", answer: done("a") }];
  await chat.readMissing();
  expect(chat.unread).toBe(null);
  expect(chat.conversation.roots.map(({ input }) => input)).toEqual(["Other.", "One."]);
  expect(
    chat.conversation.path().map(({ input }) => input),
    "and the branch on display is unchanged",
  ).toEqual(["Other."]);
});

test("a conversation that is gone is reported once, and not read again", async () => {
  await answerQuestion(stage, openChat(), "One.", "a");
  passKvDelay();
  const { chat, restored } = reload();
  await restored;
  expect([chat.isBusy, chat.gone]).toEqual([false, true]);
  await answerQuestion(stage, chat, "Two.", "b");
  expect(sent[1]?.body).toMatchObject({ previous_response_id: null });
  expect(readSession()).toMatchObject({ leaves: ["b"], shownId: "b" });
});
