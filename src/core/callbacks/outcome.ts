// What became of one try of a callback, and when the next one is due. A failure is tried again, whatever the status, since a receiver
// may be mended within the day; only what the same request can never reach is given up at once.
import { isRecord, parseJson, textOf } from "../lib/json.ts";
import { retryAfterSeconds } from "../upstream/upstream-error.ts";

/** `final`: no other try can help. Reasons are our own words. */
export type DeliveryOutcome =
  | { kind: "delivered" }
  | { kind: "failed"; reason: string; retryAfterMs?: number | undefined }
  | { kind: "final"; reason: string };

export type NextDelivery = { done: true } | { stopped: string } | { retryInMs: number };

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Between tries, contract section 7: with the first one eight in all. */
export const DELAYS_MS: readonly number[] = [
  5_000,
  5 * MINUTE_MS,
  30 * MINUTE_MS,
  2 * HOUR_MS,
  5 * HOUR_MS,
  10 * HOUR_MS,
  10 * HOUR_MS,
];
const MAX_RETRY_AFTER_MS = 12 * HOUR_MS;

/** About the request itself, which stays the same. */
const SLACK_FINAL = new Set([
  "attachment_payload_limit_exceeded",
  "deprecated_endpoint",
  "invalid_arg_name",
  "invalid_arguments",
  "invalid_array_arg",
  "invalid_blocks",
  "invalid_blocks_format",
  "invalid_charset",
  "invalid_form_data",
  "invalid_json",
  "invalid_metadata_format",
  "invalid_post_type",
  "json_not_object",
  "markdown_text_conflict",
  "metadata_too_large",
  "method_deprecated",
  "missing_post_type",
  "msg_blocks_too_long",
  "msg_too_long",
  "no_text",
  "too_many_attachments",
  "unknown_method",
]);
/** Passing, or mended by the bot's owner within the day: named, since the name says what to do. Slack's other errors are retried too. */
const SLACK_NAMED = new Set([
  "account_inactive",
  "channel_not_found",
  "fatal_error",
  "internal_error",
  "invalid_auth",
  "is_archived",
  "message_limit_exceeded",
  "missing_scope",
  "no_permission",
  "not_authed",
  "not_in_channel",
  "rate_limited",
  "ratelimited",
  "request_timeout",
  "restricted_action",
  "service_unavailable",
  "team_added_to_org",
  "token_expired",
  "token_revoked",
]);

/** Slack says in the body of a 200 that it refused. */
export function answersInBody(url: URL): boolean {
  return /(?:^|\.)slack(?:-gov)?\.com$/.test(url.hostname);
}

/** @param body of an answer whose body counts; undefined where it was not read @param now milliseconds since 1970 */
export function deliveryOutcome(
  status: number,
  headers: Headers,
  body: string | undefined,
  now: number,
): DeliveryOutcome {
  const seconds = retryAfterSeconds(headers, now);
  const retryAfterMs = seconds === undefined ? undefined : seconds * 1_000;
  if (status === 410) return { kind: "final", reason: "gone" };
  if (status >= 300 && status < 400) return { kind: "failed", reason: "redirect not followed", retryAfterMs };
  if (status < 200 || status > 299) return { kind: "failed", reason: `status ${status}`, retryAfterMs };
  const said = body === undefined ? undefined : parseJson(body);
  if (!isRecord(said) || said["ok"] !== false) return { kind: "delivered" };
  const code = textOf(said["error"]);
  if (SLACK_FINAL.has(code)) return { kind: "final", reason: `slack ${code}` };
  return { kind: "failed", reason: SLACK_NAMED.has(code) ? `slack ${code}` : "slack error", retryAfterMs };
}

/**
 * @param attempt number of the try that got the verdict, from 1
 * @returns the wait is the schedule's, or Retry-After where that is longer, at most 12 h
 */
export function nextDelivery(attempt: number, verdict: DeliveryOutcome): NextDelivery {
  if (verdict.kind === "delivered") return { done: true };
  if (verdict.kind === "final") return { stopped: verdict.reason };
  const delay = DELAYS_MS[attempt - 1];
  if (delay === undefined) return { stopped: `no try left, the last: ${verdict.reason}` };
  return { retryInMs: Math.max(delay, Math.min(verdict.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS)) };
}
