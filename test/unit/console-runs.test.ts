// What the console keeps of answers that are on their way: until they are over, however that is told.
import { expect, test, vi } from "vitest";
import { type PendingRun, withRun, withoutRun } from "../../src/console/session/runs.ts";
import { isPaidOnce } from "../../src/console/chat/model/abandoned.ts";
import { isGone, isOver } from "../../src/console/chat/model/failures.ts";
import { storedSession } from "../../src/console/session/session-store.ts";
import { answered, consoleStage, open, refusal, reload, sending } from "../support/console-stage.ts";

const stage = consoleStage();
const { sent } = stage;

test.each([
  ["the Worker refused the question", 400, "previous_response_not_found", true, true],
  ["and with a code of UniAPI's", 400, "invalid_tool", true, true],
  ["the caller may not", 403, "insufficient_scope", false, true],
  ["it is too large", 413, "payload_too_large", false, true],
  ["it is of no known type", 415, "unsupported_media_type", false, true],
  ["nothing is kept of it", 409, "stream_lost", false, true],
  ["as the client tells it", 200, "stream_lost", false, true],
  ["the key is another question's", 422, "idempotency_key_reused", false, true],
  ["it broke off upstream, and that was kept", 200, "upstream_error", false, true],
  ["before its first event", 502, "upstream_error", false, true],
  ["nobody knows whether it was paid", 504, "upstream_timeout", false, true],
  ["UniAPI refused, unpaid: the key may be sent again", 429, "upstream_rate_limited", true, false],
  ["UniAPI is not there, unpaid", 503, "upstream_unavailable", true, false],
  ["the kill switch", 503, "paused", true, false],
  ["a session that has expired", 401, "invalid_credentials", false, false],
  ["too many requests", 429, "rate_limited", true, false],
  ["the day's budget", 429, "budget_exceeded", false, false],
  ["a fault of the Worker's", 500, "internal_error", true, false],
  ["a wrong setting", 503, "misconfigured", false, false],
  ["what is kept can't be reached", 200, "unavailable", true, false],
  ["the connection broke", 0, "connection_lost", true, false],
  ["somebody else answered", 502, "unexpected_response", true, false],
  ["somebody else refused", 403, "unexpected_response", false, false],
  ["somebody else answered that all is fine", 200, "unexpected_response", false, false],
  ["nobody knows what", 0, "unexpected", false, false],
])("whether nothing more can be heard of an answer: %s (%i %s)", (_, status, code, retryable, over) => {
  expect(isOver({ status, code, retryable })).toBe(over);
});

test.each([
  ["response_not_found", Infinity, true],
  ["response_not_found", 120_001, true],
  ["response_not_found", 120_000, false],
  ["not_found", Infinity, false],
  ["invalid_credentials", Infinity, false],
  ["unexpected_response", Infinity, false],
])("whether an id is gone: %s after %i ms", (code, ageMs, gone) => {
  expect(isGone({ code }, ageMs)).toBe(gone);
});

const flight = (key: string): PendingRun => ({ key, event: "", previous: null });

test("one answer is heard at a time, the others wait until they are over", () => {
  const one = withRun({ run: null, waiting: [] }, flight("1"));
  expect(one).toEqual({ flight: flight("1"), waiting: [] });
  const begun = { ...flight("1"), event: "f0-0" };
  expect(withRun(one, begun)).toEqual({ flight: begun, waiting: [] });
  const two = withRun(one, flight("2"));
  expect(two).toEqual({ flight: flight("2"), waiting: [flight("1")] });
  expect(withRun(two, flight("1")), "continued").toEqual({ flight: flight("1"), waiting: [flight("2")] });
  expect(withoutRun(two, "2")).toEqual({ flight: null, waiting: [flight("1")] });
  expect(withoutRun(two, "1")).toEqual({ flight: flight("2"), waiting: [] });
  expect(withoutRun(two, "3")).toEqual(two);
});

test.each([
  ["the kill switch", () => refusal(503, "paused", { "x-should-retry": "false" })],
  ["a session that has expired", () => refusal(401, "invalid_credentials")],
  ["a fault of the Worker's", () => refusal(500, "internal_error", { "x-should-retry": "false" })],
  ["an edge's HTML", () => new Response("<h1>403</h1>", { status: 403 })],
])(
  "an answer whose rest is refused for the moment, by %s, can be continued, also after a reload",
  async (_, instead) => {
    const before = open();
    void before.ask("Who?", {});
    await sending(stage, 1);
    sent[0]?.say(0, "start", {});
    await vi.waitFor(() => expect(storedSession().run?.event).toBe("f0-0"));
    stage.instead = instead;
    const { chat, restored } = reload();
    await restored;
    const [turn] = chat.conversation.path();
    if (turn === undefined) throw new Error("it is shown");
    expect(turn.state).toBe("broken");
    expect(storedSession().run).toMatchObject({ key: sent[0]?.key, event: "f0-0" });
    stage.instead = () => undefined;
    const count = sent.length;
    void chat.resume(turn);
    await sending(stage, count + 1);
    expect(sent[count]).toMatchObject({ key: sent[0]?.key, after: "f0-0" });
  },
);

test("an answer that is over for good leaves nothing to continue", async () => {
  const chat = open();
  const asked = chat.ask("Who?", {});
  await sending(stage, 1);
  sent[0]?.say(0, "start", {});
  sent[0]?.say(1, "error", { error: { message: "Broke off.", code: "upstream_error", request_id: "req_1" } });
  await asked;
  expect(chat.conversation.path().map(({ state }) => state)).toEqual(["failed"]);
  expect(storedSession().run).toBe(null);
});

test("a stopped answer outlives the next question and a reload", async () => {
  const before = open();
  const first = before.ask("One.", {});
  await sending(stage, 1);
  sent[0]?.say(0, "start", {});
  await vi.waitFor(() => expect(before.running?.event).toBe("f0-0"));
  before.stop();
  await first;
  await answered(stage, before, "Other.", "b");
  stage.threads["b"] = [{ input: "Other.", answer: {} }].map((turn) => ({ ...turn, answer: { id: "b", text: "x" } }));
  const { chat, restored } = reload();
  await restored;
  expect(chat.conversation.path().map(({ input }) => input)).toEqual(["Other."]);
  expect(sent.length, "it is heard when one wants it").toBe(2);
  const stopped = chat.conversation.roots.find(({ state }) => state === "stopped");
  if (stopped === undefined) throw new Error("it is there");
  void chat.resume(stopped);
  await sending(stage, 3);
  expect(sent[2]).toMatchObject({ key: sent[0]?.key, after: "f0-0" });
});

test("a key that the Worker has forgotten is not said to be paid once, until it is sent anew", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const before = open();
  const asked = before.ask("Who?", {});
  await sending(stage, 1);
  before.stop();
  await asked;
  const [own] = before.conversation.path();
  if (own === undefined) throw new Error("it is shown");
  expect(isPaidOnce(own)).toBe(true);
  vi.setSystemTime(Date.now() + 86_400_001);
  expect(isPaidOnce(own), "in a page that stays open, too").toBe(false);
  const { chat, restored } = reload();
  await restored;
  const [turn] = chat.conversation.path();
  if (turn === undefined) throw new Error("it is shown");
  expect(isPaidOnce(turn)).toBe(false);
  void chat.resume(turn);
  await sending(stage, 2);
  chat.stop();
  expect(isPaidOnce(turn)).toBe(true);
});
