// What UniAPI means by an error, and whether the call may have been paid. Error codes take precedence over statuses, which mislead: an
// exhausted quota has status 429, a missing model 503, and any error may have 200. Sources: docs/contract.md §8, and the code of one-hub
// and new-api.
import type { JsonObject } from "../lib/json.ts";
import type { ProblemCode } from "../lib/problem.ts";
import type { ErrorFields } from "./error-fields.ts";
import { type RefusalSubject, refusalOf } from "./refusal.ts";
import { retryAfterInMessage } from "./retry-after.ts";

export interface UpstreamErrorInput {
  /** The HTTP status. It is 200 for an error inside a 2xx body or a stream. */
  status: number;
  /** The parsed body, or its text if it is not JSON; undefined if it is empty or unreadable. */
  body: unknown;
  /** The value of `Retry-After` in whole seconds, if upstream sent one. */
  retryAfter?: number | undefined;
  /** The body of the refused request, which is compared with the error. Without it, the subject of the refusal is unknown. */
  request?: JsonObject | undefined;
}

/** An error's fields. `status` is the one that counts: the HTTP status, or the one that the fields name. */
export type UpstreamError = ErrorFields & { status: number };

/** What upstream means by an error, and how it says so. */
interface Meaning {
  problem: ProblemCode;
  /** Whether upstream may have billed a call that ends with this error before any output. */
  paid: "unpaid" | "maybe";
  /** Error codes, and types of errors that mean the same, in lower case. They count with every status. */
  codes: readonly string[];
  /** The HTTP statuses that mean this unless the code says otherwise. */
  statuses: readonly number[];
}

const QUOTA: Meaning = {
  problem: "upstream_quota",
  paid: "unpaid",
  codes: [
    "insufficient_quota",
    "insufficient_user_quota",
    "pre_consume_token_quota_failed",
    "quota_exceeded",
    "token_quota_exhausted",
    "credit_balance_exhausted",
    "insufficient_balance",
    "insufficient_credits",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "usage_limit_reached",
    "usage_not_included",
    "billing_hard_limit_reached",
    "billing_not_active",
    "billing_error",
    "account_deactivated",
  ],
  statuses: [402, 403],
};
const AUTH: Meaning = {
  problem: "upstream_auth",
  paid: "unpaid",
  codes: ["invalid_api_key", "invalid_token", "token_expired", "token_disabled", "authentication_error"],
  statuses: [401],
};
const RATE: Meaning = {
  problem: "upstream_rate_limited",
  paid: "unpaid",
  codes: [
    "rate_limit_exceeded",
    "rate_limit_error",
    "rate_limit_reached",
    "rate_limit",
    "rate_limited",
    "ratelimitexceeded",
    "ratelimitreached",
    "too_many_requests",
    "toomanyrequests",
    "slow_down",
    "throttling",
    "throttling_error",
  ],
  statuses: [429],
};
const UNAVAILABLE: Meaning = {
  problem: "upstream_unavailable",
  paid: "unpaid",
  codes: [
    "server_is_overloaded",
    "server_overloaded",
    "overloaded",
    "overloaded_error",
    "engine_overloaded",
    "engine_overloaded_error",
    "model_overloaded",
    "service_unavailable",
    "service_unavailable_error",
    "no_available_channel",
  ],
  statuses: [503, 521, 522, 523, 525, 526, 530],
};
const TIMEOUT: Meaning = {
  problem: "upstream_timeout",
  paid: "maybe",
  codes: [
    "timeout",
    "timeout_error",
    "request_timeout",
    "upstream_timeout",
    "gateway_timeout",
    "deadline_exceeded",
    "vector_store_timeout",
  ],
  // A relay that answers with one of these has forwarded the request, and the backend may still complete it.
  statuses: [408, 425, 499],
};
export const REJECTED: Meaning = {
  problem: "upstream_rejected",
  paid: "unpaid",
  codes: [
    "previous_response_not_found",
    "context_length_exceeded",
    "string_above_max_length",
    "string_below_min_length",
    "array_above_max_length",
    "array_below_min_length",
    "integer_above_max_value",
    "integer_below_min_value",
    "decimal_above_max_value",
    "decimal_below_min_value",
    "invalid_value",
    "invalid_type",
    "invalid_parameter",
    "invalid_prompt",
    "invalid_encrypted_content",
    "invalid_function_parameters",
    "invalid_json_schema",
    "missing_required_parameter",
    "unknown_parameter",
    "unsupported_parameter",
    "unsupported_value",
    "unsupported_model",
    "unsupported_file",
    "content_policy_violation",
    "data_residency_mismatch",
    "sensitive_words_detected",
    "prompt_blocked",
    "model_not_found",
    "model_not_exist",
    "unknown_model",
    // The codes for images in a failed response.
    "invalid_image",
    "invalid_image_format",
    "invalid_base64_image",
    "invalid_image_url",
    "invalid_image_mode",
    "image_too_large",
    "image_too_small",
    "image_parse_error",
    "image_content_policy_violation",
    "image_file_too_large",
    "unsupported_image_media_type",
    "empty_image_file",
    "failed_to_download_image",
    "image_file_not_found",
  ],
  // And every other 4xx.
  statuses: [],
};
/** The answer was stopped because of what it says, so it may have been generated and billed. With a 4xx, the input was refused. */
const STOPPED: Meaning = {
  problem: "upstream_rejected",
  paid: "maybe",
  codes: ["content_filter", "bio_policy", "cyber_policy", "misalignment_policy_violation"],
  statuses: [],
};
const FAILED: Meaning = {
  problem: "upstream_error",
  paid: "maybe",
  codes: ["server_error", "internal_error", "internal_server_error"],
  // And every other 5xx, and 200.
  statuses: [],
};
/** Redirects, which are never followed. */
const REDIRECT: Meaning = { problem: "upstream_invalid_response", paid: "unpaid", codes: [], statuses: [] };

const MEANINGS: readonly Meaning[] = [QUOTA, AUTH, RATE, UNAVAILABLE, TIMEOUT, REJECTED, STOPPED, FAILED];
export const BY_CODE = new Map(MEANINGS.flatMap((meaning) => meaning.codes.map((code) => [code, meaning])));
const BY_STATUS = new Map(MEANINGS.flatMap((meaning) => meaning.statuses.map((status) => [status, meaning])));

/** The codes for a model that upstream does not have, or for which it has no channel. */
const MODEL_CODES = new Set(["model_not_found", "model_not_exist", "unknown_model", "no_available_channel"]);
/** Types and codes that only repeat a status. They count only if the HTTP status is 200. */
const STATUSES_OF_TYPES: ReadonlyMap<string, number> = new Map([
  ["invalid_request_error", 400],
  ["invalid_request", 400],
  ["bad_request", 400],
  ["permission_error", 403],
  ["permission_denied", 403],
  ["not_found_error", 404],
  ["request_too_large", 413],
]);

/** "No channel for this model in this group", as one-hub and new-api write it. */
const NO_CHANNEL = /无可用渠道|no available channel/i;
export const TOO_LONG =
  /maximum context length|context window|context[_ ]length|(?:prompt|input) is too long|too many (?:input |prompt )?tokens|上下文.{0,20}(?:超|过长)|超出.{0,20}上下文/i;
const NO_CREDIT =
  /exceeded your current quota|credit balance is too low|insufficient (?:account )?(?:balance|quota|credits?)|余额不足|额度不足/i;
const TOO_MANY = /rate[ _-]?limit(?:s|ed)?\b|too many requests|请求过于频繁|请求过多/i;
/** How OpenAI's own refusals of a field begin. */
const BAD_FIELD = /^(?:unknown|unsupported|invalid|missing required) (?:parameter|value|type)\b/i;

/**
 * Returns the status that counts. If the HTTP status is vague (200, 400, or a 5xx without a meaning of its own), it is the one that the
 * body names. If the body names none and the HTTP status is 200, it is the one that the code or type repeats. Otherwise it is the HTTP
 * status.
 */
export function statusOf(httpStatus: number, { code, type, status }: ErrorFields): number {
  const isVague = httpStatus === 200 || httpStatus === 400 || (httpStatus >= 500 && !BY_STATUS.has(httpStatus));
  if (isVague && status !== undefined) return status;
  if (httpStatus !== 200) return httpStatus;
  return STATUSES_OF_TYPES.get(code.toLowerCase()) ?? STATUSES_OF_TYPES.get(type.toLowerCase()) ?? 200;
}

export function meaningOf(fault: UpstreamErrorInput, error: UpstreamError): Meaning {
  const { status } = error;
  const isFailure = status >= 500 || status === 200;
  const code = error.code.toLowerCase();
  if (isAboutModel(error)) {
    const hasNoChannel = code === "no_available_channel" || NO_CHANNEL.test(error.message);
    return fault.status >= 500 || (fault.status === 200 && hasNoChannel) ? UNAVAILABLE : REJECTED;
  }
  const named = BY_CODE.get(code) ?? byType(error.type);
  if (named === STOPPED) return isFailure ? STOPPED : REJECTED;
  // With such a status, upstream has refused the call, even if a relay adds "server_error". Of the statuses with a meaning of their own,
  // only 403 can also be a refusal of the parent, a call or an item. An error with HTTP status 200 may be a failure.
  const isRefused = status === 501 || (status >= 400 && status < 500);
  const mayRefuse = isRefused ? named === undefined || named === FAILED : status === 200 && named === undefined;
  // With a failure's code, only clear words count.
  const hasVagueStatus = named === FAILED && status !== 404 && status !== 501;
  if (mayRefuse && subjectOf(fault, hasVagueStatus ? { ...error, status: 200 } : error, 200) !== undefined)
    return REJECTED;
  // A status such as 503 or 429 is more exact than "server_error".
  if (named !== undefined && (named !== FAILED || !BY_STATUS.has(status))) return named;
  return meaningOfMessage(fault, error) ?? meaningOfStatus(status);
}

/** A type is less exact than a code: relays send `server_error` for anything. */
export function byType(type: string): Meaning | undefined {
  const meaning = BY_CODE.get(type.toLowerCase());
  return meaning === FAILED ? undefined : meaning;
}

/** Reads the message of an error whose code is missing or unknown. @returns undefined if the message decides nothing */
function meaningOfMessage(fault: UpstreamErrorInput, { status, message }: UpstreamError): Meaning | undefined {
  const hasWait = fault.retryAfter !== undefined || retryAfterInMessage(message) !== undefined;
  // Gemini uses the same words for its limits per minute, and says how long to wait.
  if (status === 429) return NO_CREDIT.test(message) && !hasWait ? QUOTA : undefined;
  const isRefusal = status === 400 || status === 413 || status === 422;
  const isFailure = status === 200 || (status >= 500 && !BY_STATUS.has(status));
  if (!isRefusal && !isFailure) return undefined;
  if (TOO_LONG.test(message)) return REJECTED;
  if (NO_CREDIT.test(message)) return hasWait ? RATE : QUOTA;
  if (isRefusal) return undefined;
  if (TOO_MANY.test(message)) return RATE;
  return status === 200 && BAD_FIELD.test(message) ? REJECTED : undefined;
}

function meaningOfStatus(status: number): Meaning {
  const known = BY_STATUS.get(status);
  if (known !== undefined) return known;
  if (status >= 300 && status < 400) return REDIRECT;
  return status >= 400 && status < 500 ? REJECTED : FAILED;
}

/** Whether upstream has no such model, or no channel for it. */
export function isAboutModel({ code, status, message }: UpstreamError): boolean {
  return MODEL_CODES.has(code.toLowerCase()) || ((status === 503 || status === 200) && NO_CHANNEL.test(message));
}

/** @param vagueStatus used if the error does not have the status of a refusal: 400 if it certainly is a refusal, else 200 */
export function subjectOf(
  { request }: UpstreamErrorInput,
  error: UpstreamError,
  vagueStatus: 200 | 400,
): RefusalSubject | undefined {
  const { status, message } = error;
  const isAboutLimit = TOO_LONG.test(message) || NO_CREDIT.test(message) || TOO_MANY.test(message);
  const isContextFull = error.code.toLowerCase() === "context_length_exceeded";
  if (request === undefined || isAboutLimit || isContextFull || isAboutModel(error)) return undefined;
  return refusalOf((status >= 400 && status < 500) || status === 501 ? status : vagueStatus, error, request);
}
