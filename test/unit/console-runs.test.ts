// The pending runs that the console stores, until they end, and how it recognizes the end.
import { expect, test, vi } from "vitest";
import { type PendingRun, withRun, withoutRun } from "../../src/console/session/runs.ts";
import { isPaidOnce } from "../../src/console/chat/model/abandoned.ts";
import { isGone, isOver } from "../../src/console/chat/model/failures.ts";
import { readSession } from "../../src/console/session/session-store.ts";
import { answerQuestion, consoleStage, openChat, refusal, reload, waitForSent } from "../support/console-stage.ts";

const stage = consoleStage();
const { sent } = stage;

test.each([
  ["the Worker rejected the question", 400, "previous_response_not_found", true, true],
  ["rejected with a code of UniAPI", 400, "invalid_tool", true, true],
  ["the caller has no permission", 403, "insufficient_scope", false, true],
  ["the body is too large", 413, "payload_too_large", false, true],
  ["the body has an unknown type", 415, "unsupported_media_type", false, true],
  ["there is no recording", 409, "stream_lost", false, true],
  ["no recording, as the client reports it", 200, "stream_lost", false, true],
  ["the key belongs to another question", 422, "idempotency_key_reused", false, true],
  ["the upstream call broke, and that is recorded", 200, "upstream_error", false, true],
  ["it failed before its first event", 502, "upstream_error", false, true],
  ["the call may have been paid", 504, "upstream_timeout", false, true],
  ["UniAPI refused, unpaid: the key may be sent again", 429, "upstream_rate_limited", true, false],
  ["UniAPI is unavailable, unpaid", 503, "upstream_unavailable", true, false],
  ["the kill switch", 503, "paused", true, false],
  ["a session that has expired", 401, "invalid_credentials", false, false],
  ["too many requests", 429, "rate_limited", true, false],
  ["the day's budget", 429, "budget_exceeded", false, false],
  ["an internal error of the Worker", 500, "internal_error", true, false],
  ["a wrong setting", 503, "misconfigured", false, false],
  ["the recording is unavailable", 200, "unavailable", true, false],
  ["the connection broke", 0, "connection_lost", true, false],
  ["another server answered", 502, "unexpected_response", true, false],
  ["another server refused", 403, "unexpected_response", false, false],
  ["another server answered with status 200", 200, "unexpected_response", false, false],
  ["an unknown error", 0, "unexpected", false, false],
])("whether a failure ends a run: %s (%i %s, retryable: %s) → %s", (_, status, code, retryable, over) => {
  expect(isOver({ status, code, retryable })).toBe(over);
});

test.each([
  ["response_not_found", Infinity, true],
  ["response_not_found", 120_001, true],
  ["response_not_found", 120_000, false],
  ["not_found", Infinity, false],
  ["invalid_credentials", Infinity, false],
  ["unexpected_response", Infinity, false],
])("whether an id is gone: %s after %i ms → %s", (code, ageMs, gone) => {
  expect(isGone({ code }, ageMs)).toBe(gone);
});

const pendingRun = (key: string): PendingRun => ({ key, lastEventId: "", previousId: null });

test("one run is followed at a time, and the others wait until they end", () => {
  const one = withRun({ run: null, waiting: [] }, pendingRun("1"));
  expect(one).toEqual({ run: pendingRun("1"), waiting: [] });
  const begun = { ...pendingRun("1"), lastEventId: "f0-0" };
  expect(withRun(one, begun)).toEqual({ run: begun, waiting: [] });
  const two = withRun(one, pendingRun("2"));
  expect(two).toEqual({ run: pendingRun("2"), waiting: [pendingRun("1")] });
  expect(withRun(two, pendingRun("1")), "resumed").toEqual({ run: pendingRun("1"), waiting: [pendingRun("2")] });
  expect(withoutRun(two, "2")).toEqual({ run: null, waiting: [pendingRun("1")] });
  expect(withoutRun(two, "1")).toEqual({ run: pendingRun("2"), waiting: [] });
  expect(withoutRun(two, "3")).toEqual(two);
});

test.each([
  ["the kill switch", () => refusal(503, "paused", { "x-should-retry": "false" })],
  ["a session that has expired", () => refusal(401, "invalid_credentials")],
  ["an internal error of the Worker", () => refusal(500, "internal_error", { "x-should-retry": "false" })],
  ["an HTML error page", () => new Response("<h1>403</h1>", { status: 403 })],
])("a run that is temporarily refused (%s) can be resumed, also after a reload", async (_, instead) => {
  const before = openChat();
  void before.ask("Who?", {});
  await waitForSent(stage, 1);
  sent[0]?.send(0, "start", {});
  await vi.waitFor(() => expect(readSession().run?.lastEventId).toBe("f0-0"));
  stage.instead = instead;
  const { chat, restored } = reload();
  await restored;
  const [turn] = chat.conversation.path();
  if (turn === undefined) throw new Error("the turn is on display");
  expect(turn.state).toBe("broken");
  expect(readSession().run).toMatchObject({ key: sent[0]?.key, lastEventId: "f0-0" });
  stage.instead = () => undefined;
  const count = sent.length;
  void chat.resume(turn);
  await waitForSent(stage, count + 1);
  expect(sent[count]).toMatchObject({ key: sent[0]?.key, after: "f0-0" });
});

test("a run that has failed can't be resumed", async () => {
  const chat = openChat();
  const finished = chat.ask("Who?", {});
  await waitForSent(stage, 1);
  sent[0]?.send(0, "start", {});
  sent[0]?.send(1, "error", { error: { message: "Broke off.", code: "upstream_error", request_id: "req_1" } });
  await finished;
  expect(chat.conversation.path().map(({ state }) => state)).toEqual(["failed"]);
  expect(readSession().run).toBe(null);
});

test("a stopped run survives the next question and a reload", async () => {
  const before = openChat();
  const first = before.ask("One.", {});
  await waitForSent(stage, 1);
  sent[0]?.send(0, "start", {});
  await vi.waitFor(() => expect(before.running?.lastEventId).toBe("f0-0"));
  before.stop();
  await first;
  await answerQuestion(stage, before, "Other.", "b");
  stage.threads["b"] = [{ input: "Other.", answer: {} }].map((turn) => ({ ...turn, answer: { id: "b", text: "x" } }));
  const { chat, restored } = reload();
  await restored;
  expect(chat.conversation.path().map(({ input }) => input)).toEqual(["Other."]);
  expect(sent.length, "it is resumed on request only").toBe(2);
  const stopped = chat.conversation.roots.find(({ state }) => state === "stopped");
  if (stopped === undefined) throw new Error("the turn exists");
  void chat.resume(stopped);
  await waitForSent(stage, 3);
  expect(sent[2]).toMatchObject({ key: sent[0]?.key, after: "f0-0" });
});

test("isPaidOnce is false after the key expires, until the question is sent again", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const before = openChat();
  const finished = before.ask("Who?", {});
  await waitForSent(stage, 1);
  before.stop();
  await finished;
  const [own] = before.conversation.path();
  if (own === undefined) throw new Error("the turn is on display");
  expect(isPaidOnce(own)).toBe(true);
  vi.setSystemTime(Date.now() + 86_400_001);
  expect(isPaidOnce(own), "even in a page that stays open").toBe(false);
  const { chat, restored } = reload();
  await restored;
  const [turn] = chat.conversation.path();
  if (turn === undefined) throw new Error("the turn is on display");
  expect(isPaidOnce(turn)).toBe(false);
  void chat.resume(turn);
  await waitForSent(stage, 2);
  chat.stop();
  expect(isPaidOnce(turn)).toBe(true);
});
