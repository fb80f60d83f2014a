// What a reload of the console's chat does where something can't be read: nothing that may have been paid is given up for it.
import { expect, test, vi } from "vitest";
import { storedSession } from "../../src/console/session/session-store.ts";
import { answered, consoleStage, done, open, refusal, reload, sending } from "../support/console-stage.ts";

const stage = consoleStage();
const { sent } = stage;

/** A conversation of one turn, and a question after it of which the first event has come. */
async function leftInMidStream(credential?: string): Promise<void> {
  const before = open(credential);
  await answered(stage, before, "One.", "a");
  void before.ask("Two.", {});
  await sending(stage, 2);
  sent[1]?.say(0, "start", {});
  await vi.waitFor(() => expect(storedSession().run?.event).toBe("f0-0"));
}

const LATER_MS = 121_000;
const waitUntil = (): void => {
  vi.useFakeTimers({ toFake: ["Date"] });
  vi.setSystemTime(Date.now() + LATER_MS);
};

test.each<[string, () => Response]>([
  [
    "an edge's page of HTML",
    () => new Response("<h1>502</h1>", { status: 502, headers: { "content-type": "text/html" } }),
  ],
  ["a page of HTML that claims to be fine", () => new Response("<h1>Wait</h1>")],
  ["a body that breaks off", () => new Response('{"turns":[{"inp')],
  ["a body without turns", () => Response.json({})],
  ["internal_error", () => refusal(500, "internal_error")],
  ["a session that has expired", () => refusal(401, "invalid_credentials")],
  ["a conversation too long to be read", () => refusal(400, "conversation_too_long")],
  ["not found, so young that KV may not show it yet", () => refusal(404, "response_not_found")],
])(
  "what can't be read, for %s, is not given up: nothing is asked, and it is there when it can be read",
  async (_, instead) => {
    await leftInMidStream();
    stage.threads["a"] = [{ input: "One.", answer: done("a") }];
    stage.instead = (method) => (method === "GET" ? instead() : undefined);
    const { chat, restored } = reload();
    await restored;
    expect(chat.held).toBe(true);
    await chat.ask("Three.", {});
    expect(sent.length).toBe(2);
    expect(storedSession()).toMatchObject({ leaves: ["a"], flight: { key: sent[1]?.key, previous: "a" } });
    stage.instead = () => undefined;
    void chat.restore();
    await sending(stage, 3);
    expect(sent[2]).toMatchObject({ key: sent[1]?.key, after: "f0-0" });
    expect(chat.running?.parent?.answer?.id).toBe("a");
  },
);

test("an answer whose conversation is gone is heard all the same, and the next question follows it", async () => {
  await leftInMidStream();
  waitUntil();
  const { chat, restored } = reload();
  await sending(stage, 3);
  expect(sent[2]).toMatchObject({ key: sent[1]?.key, after: "f0-0" });
  sent[2]?.say(1, "done", done("b"));
  await restored;
  expect(chat.gone).toBe(true);
  expect(chat.conversation.path().map(({ previous, state }) => [previous, state])).toEqual([["a", "done"]]);
  expect(storedSession()).toMatchObject({ flight: null, leaves: ["b"] });
  void chat.ask("Three.", {});
  await sending(stage, 4);
  expect(sent[3]?.body).toMatchObject({ previous_response_id: "b" });
});

test("so is one whose conversation can't be read just now, where one wants to go on without", async () => {
  await leftInMidStream();
  stage.instead = (method) => (method === "GET" ? refusal(400, "conversation_too_long") : undefined);
  const { chat, restored } = reload();
  await restored;
  const heard = chat.goOnWithout();
  await sending(stage, 3);
  expect(sent[2]).toMatchObject({ key: sent[1]?.key, after: "f0-0" });
  sent[2]?.say(1, "done", done("b"));
  await heard;
  expect([chat.held, chat.unread?.code]).toEqual([false, "conversation_too_long"]);
  expect(storedSession().leaves.toSorted(), "what was not read stays").toEqual(["a", "b"]);
});

test("a question of which nothing had come is sent with the answer that it follows, though that can't be shown", async () => {
  const before = open();
  await answered(stage, before, "One.", "a");
  void before.ask("Two.", {});
  await sending(stage, 2);
  waitUntil();
  const { chat, restored } = reload();
  await sending(stage, 3);
  expect(sent[2]).toMatchObject({ key: sent[1]?.key, body: sent[1]?.body });
  expect(sent[2]?.body).toMatchObject({ previous_response_id: "a" });
  chat.stop();
  await restored;
  const [turn] = chat.conversation.path();
  if (turn === undefined) throw new Error("it is shown");
  void chat.retry(turn, {});
  await sending(stage, 4);
  expect(sent[3]?.body, "nor does another try begin anew").toMatchObject({ input: "Two.", previous_response_id: "a" });
  chat.stop();
  await vi.waitFor(() => expect(chat.held).toBe(false));
  void chat.ask("Instead of two.", {});
  await sending(stage, 5);
  expect(sent[4]?.body, "nor does the next question").toMatchObject({ previous_response_id: "a" });
});

test("with a publishable key, by which nothing is read, a follow-up is heard to its end", async () => {
  await leftInMidStream("pk_site");
  const { chat, restored } = reload("pk_site");
  await restored;
  const heard = chat.showLeft();
  await sending(stage, 3);
  expect(sent[2]).toMatchObject({ key: sent[1]?.key, after: "f0-0" });
  sent[2]?.say(1, "done", done("b"));
  await heard;
  void chat.ask("Three.", {});
  await sending(stage, 4);
  expect(sent[3]?.body).toMatchObject({ previous_response_id: "b" });
});

test("a branch that can't be read and is not shown is said to be missing, and read when one tries again", async () => {
  const before = open();
  await answered(stage, before, "One.", "a");
  const [one] = before.conversation.roots;
  if (one === undefined) throw new Error("it is there");
  void before.branch(one, "Other.", {});
  await sending(stage, 2);
  sent[1]?.say(0, "done", done("b"));
  await vi.waitFor(() => expect(storedSession().shown).toBe("b"));
  stage.threads = { b: [{ input: "Other.", answer: done("b") }] };
  const { chat, restored } = reload();
  await restored;
  expect([chat.held, chat.unread?.code]).toEqual([false, "response_not_found"]);
  stage.threads["a"] = [{ input: "One.", answer: done("a") }];
  await chat.readMissing();
  expect(chat.unread).toBe(null);
  expect(chat.conversation.roots.map(({ input }) => input)).toEqual(["Other.", "One."]);
  expect(
    chat.conversation.path().map(({ input }) => input),
    "and does not take the place of what is shown",
  ).toEqual(["Other."]);
});

test("what is gone is said to be gone, and not asked for again", async () => {
  await answered(stage, open(), "One.", "a");
  waitUntil();
  const { chat, restored } = reload();
  await restored;
  expect([chat.held, chat.gone]).toEqual([false, true]);
  await answered(stage, chat, "Two.", "b");
  expect(sent[1]?.body).toMatchObject({ previous_response_id: null });
  expect(storedSession()).toMatchObject({ leaves: ["b"], shown: "b" });
});
