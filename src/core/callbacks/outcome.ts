// Determines the outcome of one attempt to deliver, and when the next attempt is due. A failure with any status but 410 is retried,
// because the receiver may be repaired within a day. Only a request that can never succeed is given up immediately.
import { isRecord, parseJson, textOf } from "../lib/json.ts";
import { retryAfterSeconds } from "../upstream/retry-after.ts";

/** The outcome of an attempt. `final` means that another attempt would fail too. `reason` never contains the receiver's own words. */
export type DeliveryOutcome =
  | { kind: "delivered" }
  | { kind: "failed"; reason: string; retryAfterMs?: number | undefined }
  | { kind: "final"; reason: string };

export type NextDelivery = { done: true } | { stopped: string } | { retryInMs: number };

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** Delays between attempts (docs/contract.md §7). With seven delays there are eight attempts. */
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

/** Slack's errors about the request itself. The next attempt would get the same error. */
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
/**
 * Slack's errors that are temporary, or that the bot's owner can correct within a day. The job's record shows their names, which tell the
 * owner what to do. Other errors of Slack are retried too, but recorded without their names.
 */
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

/** Whether a 200 from this URL may be a refusal: Slack reports errors in the body. */
export function reportsErrorsInBody(url: URL): boolean {
  return /(?:^|\.)slack(?:-gov)?\.com$/.test(url.hostname);
}

/**
 * Determines the outcome of an attempt to which the receiver has responded.
 * @param body the body of the response; undefined if it was not read
 * @param now milliseconds since 1970
 */
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
  const reply = body === undefined ? undefined : parseJson(body);
  if (!isRecord(reply) || reply["ok"] !== false) return { kind: "delivered" };
  const code = textOf(reply["error"]);
  if (SLACK_FINAL.has(code)) return { kind: "final", reason: `slack ${code}` };
  return { kind: "failed", reason: SLACK_NAMED.has(code) ? `slack ${code}` : "slack error", retryAfterMs };
}

/**
 * Decides what to do after an attempt. The delay is that of the schedule, or Retry-After if it is longer, but at most 12 h.
 * @param attempt the number of the attempt that had this outcome, from 1
 */
export function nextDelivery(attempt: number, outcome: DeliveryOutcome): NextDelivery {
  if (outcome.kind === "delivered") return { done: true };
  if (outcome.kind === "final") return { stopped: outcome.reason };
  const delay = DELAYS_MS[attempt - 1];
  if (delay === undefined) return { stopped: `no attempt left; the last one failed: ${outcome.reason}` };
  return { retryInMs: Math.max(delay, Math.min(outcome.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS)) };
}
