// Maps UniAPI's refusals and failures to Problems, and decides whether the call may have been paid. Error codes take precedence over
// statuses, which mislead: an exhausted quota has status 429, a missing model 503, and any error may have 200. Sources: docs/contract.md
// §8, and the code of one-hub and new-api.
import { Problem } from "../lib/problem.ts";
import { type ErrorFields, errorFields } from "./error-fields.ts";
import { redact, redactSecrets } from "./redact.ts";
import { refusalOf } from "./refusal.ts";

export interface UpstreamErrorInput {
  /** The HTTP status. It is 200 for an error inside a body or a stream. */
  status: number;
  /** The parsed body; undefined if it was empty or not JSON. */
  body: unknown;
  /** The value of `Retry-After` in whole seconds, if upstream sent one. */
  retryAfter?: number | undefined;
}

const QUOTA_CODES = new Set([
  "insufficient_user_quota",
  "pre_consume_token_quota_failed",
  "insufficient_quota",
  "quota_exceeded",
  "token_quota_exhausted",
  "billing_hard_limit_reached",
  "billing_not_active",
  "insufficient_balance",
  "account_deactivated",
]);
const AUTH_CODES = new Set(["invalid_api_key", "invalid_token", "token_expired", "token_disabled"]);
const RATE_CODES = new Set(["rate_limit_exceeded", "too_many_requests", "rate_limited"]);
const MODEL_CODES = new Set(["model_not_found", "model_not_exist", "unknown_model", "no_available_channel"]);
/** The usual form of an error code. Some relays send a sentence instead, which callers don't get as a code. */
const PLAIN_CODE = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
/** The path of a field, as OpenAI writes it. */
const PLAIN_PATH = /^[A-Za-z_][\w.[\]-]{0,199}$/;
/** A key or an account id that has the form of a code. */
const LIKE_A_KEY = /^(?:sk|pk|rk|org|proj)[-_]|^AIza|(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{20,}/i;
/** Codes which prove that a request was refused unpaid, even with HTTP status 200. */
const REFUSED_CODES = new Set([
  "previous_response_not_found",
  "context_length_exceeded",
  "invalid_value",
  "unsupported_parameter",
  "unsupported_value",
  "missing_required_parameter",
  "unknown_parameter",
]);
/** "No channel for this model in this group", as one-hub and new-api write it. */
const NO_CHANNEL = /无可用渠道|no available channel/i;
/** Statuses which show that the request was refused before any work was done. */
const UNPAID_STATUSES = new Set([503, 521, 522, 523, 525, 526, 530]);
/** The message of a backend that does not have an item, which another backend may have stored. */
const NO_SUCH_ITEM = /^(?:Provider API error: )?Items? with ids? .{0,200} not found/i;
const NO_SUCH_ITEM_REMEDY =
  "UniAPI does not know an item of `input` by its id: its backends do not share what they store. Send items whole, without their ids, leave " +
  "reasoning items out, and set `store` to false (AI SDK: `providerOptions: { openai: { store: false } }` and `pruneMessages` with " +
  '`reasoning: "all"`); or send only what is new, with `previous_response_id`.';
/** Used if a refusal has no Retry-After. One second would be too short for a limit per minute. */
const DEFAULT_RETRY_AFTER_S = 5;

/** The longest `param` of upstream's that callers get. A longer one is cut. */
const MAX_FIELD_CHARS = 200;

/**
 * Converts a refusal or failure of upstream to a Problem, with `details.paid` set.
 * @param secrets the upstream key, which must never appear in the message
 */
export function upstreamProblem(fault: UpstreamErrorInput, secrets: readonly string[]): Problem {
  const fields = errorFields(fault.body);
  const code = fields.code.toLowerCase();
  const noSuchModel =
    MODEL_CODES.has(code) || ((fault.status === 503 || fault.status === 200) && NO_CHANNEL.test(fields.message));
  const hint =
    fault.retryAfter === undefined ? {} : { retryAfter: fault.retryAfter, upstreamRetryAfter: fault.retryAfter };
  const shownCode = isPlain(fields.code, PLAIN_CODE, secrets) ? fields.code : "";
  const reason = `upstream ${fault.status}${fields.code === "" ? "" : ` ${shownCode.toLowerCase() || "other"}`}`;

  if (QUOTA_CODES.has(code) || ((fault.status === 402 || fault.status === 403) && !MODEL_CODES.has(code))) {
    return new Problem(
      "upstream_quota",
      "The UniAPI account of this Worker has no credit, or no access to this model. Its owner must check the balance and the key's group.",
      {
        paid: "unpaid",
        reason,
      },
    );
  }
  if (fault.status === 401 || AUTH_CODES.has(code)) {
    return new Problem(
      "upstream_auth",
      "UniAPI refused this Worker's own key. Its owner must check UNIAPI_KEY; your request was not at fault.",
      { paid: "unpaid", reason },
    );
  }
  if (RATE_CODES.has(code) || fault.status === 429) {
    return new Problem(
      "upstream_rate_limited",
      "UniAPI is receiving too many requests. Wait for the time in Retry-After, then send the request again.",
      {
        paid: "unpaid",
        reason,
        retryAfter: DEFAULT_RETRY_AFTER_S,
        ...hint,
      },
    );
  }
  if (UNPAID_STATUSES.has(fault.status) || (noSuchModel && (fault.status >= 500 || fault.status === 200))) {
    const message = noSuchModel
      ? "UniAPI has no channel for this model at the moment. Check the model's name, or try another model."
      : "UniAPI is not available at the moment. Send the request again later.";
    return new Problem("upstream_unavailable", message, { paid: "unpaid", reason, noSuchModel, ...hint });
  }
  if (fault.status >= 300 && fault.status < 400) {
    return new Problem(
      "upstream_invalid_response",
      "UniAPI answered with a redirect, which this Worker does not follow. Its owner must check UNIAPI_BASE_URL.",
      { paid: "unpaid", reason },
    );
  }
  if (fault.status >= 400 && fault.status < 500)
    return rejection(fault, { ...fields, shownCode }, noSuchModel, reason, secrets);
  if (fault.status === 200 && REFUSED_CODES.has(code))
    return rejection({ ...fault, status: 400 }, { ...fields, shownCode }, noSuchModel, reason, secrets);
  return new Problem(
    "upstream_error",
    "UniAPI failed while it processed this request. The call may have been billed; send it again only if you accept that.",
    { paid: "maybe", reason },
  );
}

function rejection(
  fault: UpstreamErrorInput,
  fields: ErrorFields & { shownCode: string },
  noSuchModel: boolean,
  reason: string,
  secrets: readonly string[],
): Problem {
  const isCodeShown = fields.shownCode !== "" && fields.code !== fields.type;
  // OpenAI's own message advises storing the items, which does not help here.
  const subject = refusalOf(fault.status, fields);
  const message =
    fault.status !== 400
      ? ""
      : NO_SUCH_ITEM.test(fields.message)
        ? NO_SUCH_ITEM_REMEDY
        : redact(fields.message, secrets);
  return new Problem(
    "upstream_rejected",
    message ||
      `UniAPI refused this request (status ${fault.status}). Check the model's name and the fields of the request.`,
    {
      paid: "unpaid",
      reason,
      noSuchModel,
      ...(subject === undefined ? {} : { refusalOf: subject }),
      ...(isCodeShown ? { upstreamCode: fields.shownCode } : {}),
      ...(fields.param === ""
        ? {}
        : {
            param: isPlain(fields.param, PLAIN_PATH, secrets)
              ? fields.param
              : redact(fields.param.slice(0, MAX_FIELD_CHARS), secrets),
          }),
    },
  );
}

/** Fields that every restricted caller sets itself. A path into one of them reveals nothing about the preset. */
const CALLER_FIELDS = /^(?:input|previous_response_id|max_output_tokens)\b/;

/** Replaces upstream's message, which may reveal the preset, by one of our own. A restricted caller gets that and upstream's code. */
export function withoutUpstreamWords(error: unknown): unknown {
  if (!(error instanceof Problem) || error.code !== "upstream_rejected") return error;
  const { param, ...details } = error.details;
  return new Problem(
    "upstream_rejected",
    "UniAPI refused this request. Change or shorten your input; if that does not help, the owner of this Worker must check the preset.",
    { ...details, ...(param !== undefined && CALLER_FIELDS.test(param) ? { param } : {}) },
  );
}

/**
 * Extends the error for a model that upstream does not know: names the settings to change in the log's reason, and in the message if the
 * caller may see the config. Returns any other error unchanged.
 * @param settings the settings of src/config.ts that name the models, such as `defaults.model`; empty if the request names the model
 */
export function withModelSettings(error: unknown, settings: readonly string[], isRestricted: boolean): unknown {
  if (settings.length === 0 || !(error instanceof Problem) || error.details.noSuchModel !== true) return error;
  const message = isRestricted
    ? error.message
    : `${error.message} The model is set by \`${settings.join("` and `")}\` in src/config.ts. GET /v1/models lists the models that work.`;
  return new Problem(error.code, message, {
    ...error.details,
    reason: `${error.details.reason}, set by ${settings.join(" and ")}`,
  });
}

/** The problem for a connection that was closed cleanly before the answer was complete. */
export function cutProblem(): Problem {
  return new Problem(
    "upstream_error",
    "UniAPI's stream ended before the answer was complete. The call may have been billed; send it again only if you accept that.",
    { paid: "maybe", reason: "cut" },
  );
}

function isPlain(text: string, form: RegExp, secrets: readonly string[]): boolean {
  return form.test(text) && !LIKE_A_KEY.test(text) && redactSecrets(text, secrets) === text;
}

const PLAIN_NUMBER = /^\s*\d{1,9}(?:\.\d+)?\s*$/;

/**
 * Reads `retry-after-ms`, or else `Retry-After` (RFC 9110: seconds or a date).
 * @returns whole seconds, at least 1; undefined if the header is missing or malformed
 */
export function retryAfterSeconds(headers: Headers, nowMs: number): number | undefined {
  const ms = headers.get("retry-after-ms");
  if (ms !== null && PLAIN_NUMBER.test(ms)) return Math.max(1, Math.ceil(Number(ms) / 1_000));
  const value = headers.get("retry-after");
  if (value === null) return undefined;
  if (PLAIN_NUMBER.test(value)) return Math.max(1, Math.ceil(Number(value)));
  // Every form of an HTTP date begins with the name of a day. Date.parse accepts other strings, and would read "-5" as a year.
  const seconds = /^\s*[A-Za-z]/.test(value) ? (Date.parse(value) - nowMs) / 1_000 : Number.NaN;
  return Number.isFinite(seconds) ? Math.max(1, Math.ceil(seconds)) : undefined;
}
