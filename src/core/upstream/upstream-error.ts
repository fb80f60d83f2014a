// Makes the Problem that the caller gets when UniAPI refuses or fails a call. Only a refusal of the request itself keeps UniAPI's words,
// without any keys: other messages are about the account or the relay, which are not the caller's concern.
import { Problem, type ProblemDetails } from "../lib/problem.ts";
import { errorFields } from "./error-fields.ts";
import {
  BY_CODE,
  byType,
  isAboutModel,
  meaningOf,
  REJECTED,
  statusOf,
  subjectOf,
  TOO_LONG,
  type UpstreamError,
  type UpstreamErrorInput,
} from "./error-meaning.ts";
import { redact, redactSecrets } from "./redact.ts";
import { retryAfterInMessage } from "./retry-after.ts";

/** The message of a backend that does not have an item, which another backend may have stored. */
const NO_SUCH_ITEM = /\bitems? with ids? .{0,200} not found/i;
const NO_SUCH_ITEM_REMEDY =
  "UniAPI's backends do not share what they store, and this Worker has no such item either. Send the item itself instead of its id, or " +
  "only what is new, with `previous_response_id`.";

/** The usual form of an error code. Some relays send a sentence instead, which callers don't get as a code. */
const PLAIN_CODE = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;
/** The path of a field, as OpenAI writes it. */
const PLAIN_PATH = /^[A-Za-z_][\w.[\]-]{0,199}$/;
/** A key or an account id that has the form of a code. */
const LIKE_A_KEY = /^(?:sk|pk|rk|org|proj)[-_]|^AIza|(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{20,}/i;
/** The longest `param` from upstream that callers get. A longer one is cut off. */
const MAX_FIELD_CHARS = 200;
/** Used if a rate limit's refusal does not say how long to wait. One second would be too short for a limit per minute. */
const DEFAULT_RETRY_AFTER_S = 5;

/**
 * Converts a refusal or failure by upstream to a Problem, with `details.paid` set.
 * @param secrets the upstream key, which must never appear in the message
 */
export function upstreamProblem(fault: UpstreamErrorInput, secrets: readonly string[]): Problem {
  const fields = errorFields(fault.body);
  const error = { ...fields, status: statusOf(fault.status, fields) };
  const meaning = meaningOf(fault, error);
  const loggedCode = isPlain(error.code, PLAIN_CODE, secrets) ? error.code.toLowerCase() : "other";
  const common = { paid: meaning.paid, reason: `upstream ${fault.status}${error.code === "" ? "" : ` ${loggedCode}`}` };
  const wait = waitOf(fault, error);

  switch (meaning.problem) {
    case "upstream_quota":
      return new Problem(
        "upstream_quota",
        "The UniAPI account of this Worker has no credit, or no access to this model. Its owner must check the balance and the key's group.",
        common,
      );
    case "upstream_auth":
      return new Problem(
        "upstream_auth",
        "UniAPI refused this Worker's own key. Its owner must check UNIAPI_KEY; your request was not at fault.",
        common,
      );
    case "upstream_rate_limited": {
      const retryAfter = wait.retryAfter ?? DEFAULT_RETRY_AFTER_S;
      // A stream that has begun has no Retry-After, so Codex reads the wait from these words.
      const message = `UniAPI is receiving too many requests. Try again in ${retryAfter} s.`;
      return new Problem("upstream_rate_limited", message, { ...common, ...wait, retryAfter });
    }
    case "upstream_unavailable": {
      const noSuchModel = isAboutModel(error);
      const message = noSuchModel
        ? "UniAPI has no channel for this model at the moment. Check the model's name, or try another model."
        : "UniAPI is not available at the moment. Send the request again later.";
      return new Problem("upstream_unavailable", message, { ...common, noSuchModel, ...wait });
    }
    case "upstream_timeout":
      return new Problem(
        "upstream_timeout",
        "One of UniAPI's backends did not answer in time. The call may have been billed; send it again only if you accept that.",
        common,
      );
    case "upstream_invalid_response":
      return new Problem(
        "upstream_invalid_response",
        "UniAPI answered with a redirect, which this Worker does not follow. Its owner must check UNIAPI_BASE_URL.",
        common,
      );
    case "upstream_rejected": {
      const subject = subjectOf(fault, error, 400);
      const about = subject === undefined ? {} : { refusalOf: subject };
      return rejection(fault.status, error, { ...common, noSuchModel: isAboutModel(error), ...about }, secrets);
    }
    default:
      return new Problem(
        "upstream_error",
        "UniAPI failed while it processed this request. The call may have been billed; send it again only if you accept that.",
        common,
      );
  }
}

function waitOf(
  { retryAfter }: UpstreamErrorInput,
  { message }: UpstreamError,
): Pick<ProblemDetails, "retryAfter" | "upstreamRetryAfter"> {
  if (retryAfter !== undefined) return { retryAfter, upstreamRetryAfter: retryAfter };
  // The Worker itself repeats a call only if a header says when, since a message is meant for people.
  const seconds = retryAfterInMessage(message);
  return seconds === undefined ? {} : { retryAfter: seconds };
}

function rejection(
  httpStatus: number,
  error: UpstreamError,
  details: ProblemDetails,
  secrets: readonly string[],
): Problem {
  if (NO_SUCH_ITEM.test(error.message)) return unknownItem(error.message, details, secrets);
  const code = shownCodeOf(error, secrets);
  const param = isPlain(error.param, PLAIN_PATH, secrets)
    ? error.param
    : redact(error.param.slice(0, MAX_FIELD_CHARS), secrets);
  // With any other status, the message is about the account, the address or the relay.
  const isAboutRequest = httpStatus === 200 || httpStatus >= 500 || [400, 413, 422].includes(httpStatus);
  return new Problem(
    "upstream_rejected",
    (isAboutRequest ? redact(error.message, secrets) : "") ||
      `UniAPI refused this request (status ${error.status}). Check the model's name and the fields of the request.`,
    {
      ...details,
      ...(code === "" ? {} : { upstreamCode: code }),
      ...(param === "" ? {} : { param }),
    },
  );
}

/**
 * Returns the code that callers get: `context_length_exceeded` if only the message says so; else upstream's own code, unless it repeats the
 * type or does not have the form of a code; or the type, if there is no code and the type is as exact as one. "" if there is none of these.
 */
function shownCodeOf({ code, type, message }: UpstreamError, secrets: readonly string[]): string {
  if (TOO_LONG.test(message) && !BY_CODE.has(code.toLowerCase())) return "context_length_exceeded";
  if (code === "") return byType(type) === REJECTED ? type : "";
  return code !== type && isPlain(code, PLAIN_CODE, secrets) ? code : "";
}

/** The problem for an item that another backend may have stored. OpenAI's own message advises storing it, which does not help here. */
function unknownItem(message: string, details: ProblemDetails, secrets: readonly string[]): Problem {
  const id = redactSecrets(/ids? '?([\w-]{1,80})/i.exec(message)?.[1] ?? "", secrets);
  return new Problem(
    "item_not_found",
    `${id === "" ? "An item was" : `Item with id '${id}'`} not found. ${NO_SUCH_ITEM_REMEDY}`,
    {
      ...details,
      param: "input",
    },
  );
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
