// The outcome of one attempt, and when the next attempt is due.
import { describe, expect, test } from "vitest";
import {
  reportsErrorsInBody,
  DELAYS_MS,
  nextDelivery,
  type DeliveryOutcome,
  deliveryOutcome,
} from "../../src/core/callbacks/outcome.ts";

const NOW = Date.UTC(2026, 10, 25, 12, 0, 0);
const HOUR_MS = 3_600_000;
const failed: DeliveryOutcome = { kind: "failed", reason: "status 500" };
const outcomeOf = (status: number, headers: Record<string, string> = {}, body?: string): DeliveryOutcome =>
  deliveryOutcome(status, new Headers(headers), body, NOW);

describe("the delivery schedule", () => {
  test("has the delays of docs/contract.md and eight attempts in all", () => {
    expect(DELAYS_MS.map((ms) => ms / 1_000)).toEqual([5, 300, 1_800, 7_200, 18_000, 36_000, 36_000]);
    for (const [index, ms] of DELAYS_MS.entries()) expect(nextDelivery(index + 1, failed)).toEqual({ retryInMs: ms });
    expect(nextDelivery(8, failed)).toEqual({ stopped: "no attempt left; the last one failed: status 500" });
    expect(nextDelivery(9, failed)).toHaveProperty("stopped");
  });

  test("ends with a delivery, or with a failure that another attempt can't repair", () => {
    expect(nextDelivery(3, { kind: "delivered" })).toEqual({ done: true });
    expect(nextDelivery(8, { kind: "delivered" })).toEqual({ done: true });
    expect(nextDelivery(1, { kind: "final", reason: "gone" })).toEqual({ stopped: "gone" });
  });
});

describe("the receiver's status", () => {
  test.each([200, 201, 202, 204, 299])("status %i counts as delivered", (status) =>
    expect(outcomeOf(status)).toEqual({ kind: "delivered" }),
  );
  test.each([400, 401, 403, 404, 408, 409, 422, 429, 500, 502, 503, 504])(
    "status %i leads to another attempt",
    (status) => {
      expect(outcomeOf(status)).toEqual({ kind: "failed", reason: `status ${status}` });
    },
  );
  test.each([300, 301, 302, 303, 304, 307, 308])(
    "the redirect %i is not followed, and leads to another attempt",
    (status) => {
      expect(outcomeOf(status, { location: "https://evil.example" })).toEqual({
        kind: "failed",
        reason: "redirect not followed",
      });
    },
  );
  test("status 410 ends the attempts", () =>
    expect(outcomeOf(410, { "retry-after": "5" })).toEqual({ kind: "final", reason: "gone" }));
});

describe("Retry-After", () => {
  test.each<[what: string, value: string, attempt: number, retryInMs: number]>([
    ["more seconds than the schedule are obeyed", "120", 1, 120_000],
    ["fewer seconds than the schedule are ignored", "1", 2, 300_000],
    ["zero is ignored", "0", 1, 5_000],
    ["exactly twelve hours are obeyed", "43200", 1, 12 * HOUR_MS],
    ["more than twelve hours are limited to twelve", "43201", 1, 12 * HOUR_MS],
    ["a week is limited to twelve hours", "604800", 7, 12 * HOUR_MS],
    ["less than the last delay is ignored", "60", 7, 10 * HOUR_MS],
    ["an HTTP date is obeyed", "Wed, 25 Nov 2026 12:10:00 GMT", 1, 600_000],
    ["a date in the format of RFC 850 is obeyed", "Wednesday, 25-Nov-26 12:10:00 GMT", 1, 600_000],
    ["a date next year is limited to twelve hours", "Thu, 25 Nov 2027 12:00:00 GMT", 1, 12 * HOUR_MS],
    ["a date in the past is ignored", "Wed, 25 Nov 2026 11:00:00 GMT", 1, 5_000],
    ["a negative number is ignored", "-600", 1, 5_000],
    ["words are ignored", "soon", 1, 5_000],
    ["an empty value is ignored", "", 1, 5_000],
    ["a number of 400 digits is ignored", "9".repeat(400), 1, 5_000],
    ["hex is ignored", "0x1000", 1, 5_000],
  ])("%s", (_, value, attempt, retryInMs) => {
    for (const status of [429, 503, 500, 403]) {
      expect(nextDelivery(attempt, outcomeOf(status, { "retry-after": value }))).toEqual({ retryInMs });
    }
  });

  test("Retry-After causes no ninth attempt", () =>
    expect(nextDelivery(8, outcomeOf(429, { "retry-after": "5" }))).toHaveProperty("stopped"));
});

describe("Slack", () => {
  test.each([
    "https://slack.com/api/chat.postMessage",
    "https://hooks.slack.com/services/x",
    "https://files.slack.com",
    "https://slack-gov.com/api",
  ])("reports errors in the body at %s", (url) => expect(reportsErrorsInBody(new URL(url))).toBe(true));
  test.each([
    "https://slack.com.evil.example",
    "https://notslack.com",
    "https://example.com/slack.com",
    "https://slack.example",
  ])("is not recognized at %s", (url) => expect(reportsErrorsInBody(new URL(url))).toBe(false));

  test.each(['{"ok":true,"ts":"1"}', "ok", "", "null", "[]", '{"ok":"false"}', "{"])(
    "has accepted the message with %s",
    (body) => {
      expect(outcomeOf(200, {}, body)).toEqual({ kind: "delivered" });
    },
  );
  test.each([
    "ratelimited",
    "rate_limited",
    "internal_error",
    "channel_not_found",
    "not_in_channel",
    "invalid_auth",
    "missing_scope",
  ])("may accept the message later after %s", (error) =>
    expect(outcomeOf(200, {}, JSON.stringify({ ok: false, error }))).toEqual({
      kind: "failed",
      reason: `slack ${error}`,
    }),
  );
  test.each(["msg_too_long", "no_text", "invalid_blocks", "invalid_arguments"])(
    "never accepts the message after %s",
    (error) => {
      expect(outcomeOf(200, {}, JSON.stringify({ ok: false, error }))).toEqual({
        kind: "final",
        reason: `slack ${error}`,
      });
    },
  );
  test("is quoted only by its known error names, never by other text", () => {
    for (const error of ["sk_secret_words", "constructor", { toString: 1 }, 7, null, undefined, ["no_text"]]) {
      expect(outcomeOf(200, {}, JSON.stringify({ ok: false, error }))).toEqual({
        kind: "failed",
        reason: "slack error",
      });
    }
  });
  test("can delay the next attempt with Retry-After, even with status 200", () => {
    expect(nextDelivery(1, outcomeOf(200, { "retry-after": "30" }, '{"ok":false,"error":"ratelimited"}'))).toEqual({
      retryInMs: 30_000,
    });
  });
});
