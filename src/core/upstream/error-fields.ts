// Reads the fields of upstream's errors. Upstream's many backends give an error different forms: in `error`, in `detail`, in a failed
// response, flat, as a list, as plain text, or as JSON inside the message of another error.
import { isRecord, type JsonObject, parseJson, recordsOf, textOf } from "../lib/json.ts";

/** The fields of an error as upstream sent them. A missing text is "". */
export interface ErrorFields {
  code: string;
  type: string;
  param: string;
  message: string;
  /** The HTTP status that the body names, 400 to 599, which may differ from the status of the response. Absent if it names none. */
  status?: number;
}

/** How many errors may be nested in each other. Deeper ones are not read. */
const MAX_DEPTH = 8;
/** How many entries of a list, and lines of a text, are searched for an error. */
const MAX_ENTRIES = 20;
/** The rest of a longer text is not searched for JSON. */
const MAX_TEXT_CHARS = 65_536;

/** Members that may contain the actual error. The first one with any fields counts. */
const WRAPPERS = ["errors", "response", "detail", "message"] as const;
const CODES = ["code", "error_code"] as const;
const MESSAGES = [
  "message",
  "msg",
  "detail",
  "error_message",
  "error_msg",
  "error_description",
  "status_msg",
  "description",
  "reason",
  "title",
] as const;
/** The names of the field that is at fault, or of its path. */
const PARAMS = ["param", "parameter", "loc", "field", "fields", "pointer", "target", "property"] as const;
const STATUSES = ["status", "status_code", "statusCode", "code"] as const;

/** Google's names of statuses, which relays pass on as `status` or `code`. */
const NAMED_STATUSES: Readonly<Record<string, number>> = {
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  RESOURCE_EXHAUSTED: 429,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
};

/** The meaning of MiniMax's numbers in `base_resp`. They are not unique among vendors, so they count nowhere else. */
const MINIMAX_CODES: Readonly<Record<string, string>> = {
  "1001": "timeout",
  "1002": "rate_limit_exceeded",
  "1004": "invalid_api_key",
  "1008": "insufficient_balance",
  "1026": "invalid_prompt",
  "1039": "rate_limit_exceeded",
  "2013": "invalid_value",
  "2049": "invalid_api_key",
};

/** The form of an error code that can't be a sentence, such as `rate_limit_exceeded`. */
const SNAKE_CASE = /^[a-z][a-z0-9]{0,63}(?:_[a-z0-9]{1,64}){1,10}$/;
/** Types of events. They are not types of errors. */
const EVENT_TYPE = /^(?:error|response\..*)$/;
const HTML = /^<(?:!doctype|html|head|body|\?xml)/i;

/** Reads an error in any of its forms. Never throws. @param body parsed JSON, or the text of a body that is not JSON */
export function errorFields(body: unknown): ErrorFields {
  return { code: "", type: "", param: "", message: "", ...fieldsIn(body, 0) };
}

type FoundFields = Partial<ErrorFields>;

function fieldsIn(value: unknown, depth: number): FoundFields {
  if (depth > MAX_DEPTH) return {};
  if (typeof value === "string") return fieldsInText(value, depth);
  if (Array.isArray(value)) return firstFields(value.slice(0, MAX_ENTRIES), depth);
  return isRecord(value) ? fieldsOfRecord(value, depth) : {};
}

function fieldsOfRecord(error: JsonObject, depth: number): FoundFields {
  const own: FoundFields = withoutEmpty({
    code: codeOf(error),
    type: EVENT_TYPE.test(textOf(error["type"])) ? "" : textOf(error["type"]),
    param: fieldIn(error),
    message: [error, ...violationsIn(error)]
      .flatMap((place) => MESSAGES.map((name) => textOf(place[name])))
      .find((text) => text !== ""),
    status: statusOf(error),
  });
  return { ...own, ...wrappedFields(error, depth) };
}

/** Returns the path of the field that an error names, also in its details; "" if it names none. */
function fieldIn(error: JsonObject): string {
  const { details, source } = error;
  const places = [error, details, source, ...violationsIn(error), ...recordsOf(details)].slice(0, MAX_ENTRIES);
  for (const place of places.filter(isRecord)) {
    const paths = PARAMS.map((name) => textOf(place[name]) || pathOf(place[name]));
    // A `path` in text is likely to be that of the URL.
    const path = [...paths, pathOf(place["path"])].find((text) => text !== "");
    if (path !== undefined) return path;
  }
  // Some frameworks list the messages of each field.
  const lists = isRecord(error["errors"]) ? Object.entries(error["errors"]).slice(0, MAX_ENTRIES) : [];
  return lists.find(([, messages]) => Array.isArray(messages))?.[0] ?? "";
}

/** Returns the violations in the details of Google's errors, whose message may not name the field. */
function violationsIn({ details }: JsonObject): JsonObject[] {
  return recordsOf(details).flatMap((detail) => recordsOf(detail["fieldViolations"]));
}

/** Reads the error inside another error. */
function wrappedFields(error: JsonObject, depth: number): FoundFields {
  const base = error["base_resp"];
  if (isRecord(base)) {
    const code = MINIMAX_CODES[String(base["status_code"])];
    if (code !== undefined) return withoutEmpty({ code, message: textOf(base["status_msg"]) });
  }
  const name = textOf(error["error"]);
  if (SNAKE_CASE.test(name)) return { code: name };
  const inner = WRAPPERS.map((wrapper) => error[wrapper]);
  // In {"error": "Bad Request", "message": "…"}, the message says more than the text of `error`.
  if (typeof error["error"] === "string") inner.push(error["error"]);
  else inner.unshift(error["error"]);
  // OpenRouter puts the backend's own error here. The `metadata` of a response is the caller's, and has no message beside it.
  const { metadata } = error;
  const isError = typeof error["message"] === "string" && error["output"] === undefined;
  return firstFields(isError && isRecord(metadata) ? [metadata["raw"], ...inner] : inner, depth);
}

/** Returns the fields of the first value that has any; no fields if none has. */
function firstFields(values: readonly unknown[], depth: number): FoundFields {
  for (const value of values) {
    const fields = fieldsIn(value, depth + 1);
    if (Object.keys(fields).length > 0) return fields;
  }
  return {};
}

/** Reads a text, which may be JSON, events, JSON after a few words, or a plain message. */
function fieldsInText(text: string, depth: number): FoundFields {
  const trimmed = text.slice(0, MAX_TEXT_CHARS).trim();
  if (trimmed === "" || HTML.test(trimmed)) return {};
  const start = trimmed.search(/[[{]/);
  if (start === -1) return { message: text };
  const end = Math.max(trimmed.lastIndexOf("}"), trimmed.lastIndexOf("]"));
  const lines = trimmed.includes("\n")
    ? trimmed.split("\n", MAX_ENTRIES).map((line) => line.slice(Math.max(0, line.indexOf("{"))))
    : [];
  const parsed = [trimmed.slice(start, end + 1), ...lines].map(parseJson);
  const embedded = firstFields(
    parsed.filter((value) => typeof value === "object"),
    depth,
  );
  return { message: text, ...embedded };
}

/** Removes the fields that are undefined or "". */
function withoutEmpty(fields: { [Name in keyof ErrorFields]?: ErrorFields[Name] | undefined }): FoundFields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== ""));
}

/** Returns the code; "" if there is none. A status, or Google's name of one, is not a code. */
function codeOf(error: JsonObject): string {
  const value = CODES.map((name) => error[name]).find((code) => typeof code === "string" || typeof code === "number");
  return value === undefined || toStatus(value) !== undefined ? "" : String(value);
}

function statusOf(error: JsonObject): number | undefined {
  return STATUSES.map((name) => toStatus(error[name])).find((status) => status !== undefined);
}

function toStatus(value: unknown): number | undefined {
  if (typeof value === "string" && Object.hasOwn(NAMED_STATUSES, value)) return NAMED_STATUSES[value];
  const isNumber = typeof value === "number" || (typeof value === "string" && /^[45]\d\d$/.test(value));
  const status = isNumber ? Number(value) : 0;
  return Number.isInteger(status) && status >= 400 && status <= 599 ? status : undefined;
}

/** Converts the `loc` of a FastAPI error to the path of a field, such as `tools[0].name`. Omits the request body's own name, `body`. */
function pathOf(loc: unknown): string {
  if (!Array.isArray(loc)) return "";
  const parts = loc.slice(0, MAX_ENTRIES).filter((part) => typeof part === "string" || Number.isInteger(part));
  if (parts[0] === "body") parts.shift();
  return parts.map((part, at) => (typeof part === "string" ? `${at === 0 ? "" : "."}${part}` : `[${part}]`)).join("");
}
