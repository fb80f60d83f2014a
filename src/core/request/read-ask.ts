// Reads a request to POST /ask: its query, and its body, which may be JSON, a form, a multipart form or plain text. Nothing is ignored
// silently: the error for an unknown field names that field.
import { Ask } from "../../contract/ask.ts";
import { OWN_FIELDS, type OwnField, REQUEST_FIELDS } from "../../contract/request-fields.ts";
import {
  assertSafeJson,
  isRecord,
  JSON_LIMITS,
  type JsonLimits,
  type JsonObject,
  parseJsonObject,
  parseRoundedJson,
  restoreIntegers,
  tooManyFields,
} from "../lib/json.ts";
import { assertNotRefused, jsonFieldsParser } from "../lib/parse-fields.ts";
import { Problem } from "../lib/problem.ts";
import { startOf } from "../lib/text.ts";
import { isJsonType, readContentType } from "./headers.ts";
import { readMultipart } from "./read-multipart.ts";

type Query = Iterable<[name: string, value: string]>;

const parseJsonFields = jsonFieldsParser(Ask);

/** Fields that the query string may set instead of the body. */
const QUERY_FIELDS = Object.entries<OwnField>(OWN_FIELDS).flatMap(([name, row]) =>
  row.in.includes("query") ? [name] : [],
);

/** Fields whose value in a form is always a string. For example, `user=7` sets `user` to "7". */
const FORM_TEXT_FIELDS = new Set(
  [...REQUEST_FIELDS].flatMap(([name, row]) =>
    row.schema.def.type === "string" || row.plainText === true ? [name] : [],
  ),
);

/**
 * Reads a request to POST /ask.
 * @param text the decoded body
 * @param limits how many values this caller's JSON may have
 * @throws Problem 400, 415
 */
export function readAsk(text: string, contentType: string | null, query: Query, limits: JsonLimits): Ask {
  const { type, charset } = readContentType(contentType);
  assertCharset(charset);
  return parseAsk(withQuery(fieldsOf(text, type, limits), query));
}

/** Whether the body is a form of parts, which may be files. Its bytes are not text as a whole. */
export function isMultipart(contentType: string | null): boolean {
  return contentType !== null && /^\s*multipart\/form-data\s*(?:[;,]|$)/i.test(contentType);
}

/**
 * Reads a request to POST /ask whose body is a multipart form. Its files are images, which follow those of the field `images`.
 * @throws Problem 400, 415
 */
export async function readMultipartAsk(bytes: Uint8Array, contentType: string | null, query: Query): Promise<Ask> {
  const { value, charset } = readContentType(contentType);
  assertCharset(charset);
  const form = await readMultipart(bytes, value);
  // Browsers send a file input without a chosen file as a part with an empty file name, which the parser takes for an empty field.
  const fields = formFields(form.fields.filter(([name, value]) => value !== "" || FORM_TEXT_FIELDS.has(name)));
  const { images = [] } = fields;
  // An `images` of a wrong type is not changed, so that the check of the fields reports it.
  if (form.images.length > 0 && Array.isArray(images)) fields["images"] = [...(images as unknown[]), ...form.images];
  return parseAsk(withQuery(fields, query));
}

/**
 * Removes nulls, which SDKs send for fields that are not set, and checks the other fields. Changes `fields`.
 * @param parse the check; the default is only for fields that were parsed from JSON
 * @throws Problem 400 that names the wrong field
 */
export function parseAsk(fields: JsonObject, parse: (fields: JsonObject) => Ask = parseJsonFields): Ask {
  for (const [name, value] of Object.entries(fields)) {
    if (value === null) delete fields[name];
    else assertNotRefused(name);
  }
  if (fields["input"] === undefined) {
    throw new Problem(
      "invalid_request",
      "`input` is missing. Send what you want to ask, as text or as a list of messages.",
      { param: "input" },
    );
  }
  return parse(fields);
}

/**
 * Reads the fields of a body. Without a JSON content type, the body is JSON if it is an object with `input`. It is a form if it has the
 * content type of a form and contains `input=`. Any other body is the input itself.
 */
function fieldsOf(text: string, type: string, limits: JsonLimits): JsonObject {
  if (isJsonType(type)) return jsonFields(text, limits);
  const isForm = type === "application/x-www-form-urlencoded";
  if (!isForm && type !== "" && !type.startsWith("text/")) {
    throw new Problem(
      "unsupported_media_type",
      `The content type ${JSON.stringify(startOf(type, 80))} is not supported. Send application/json, a form, or plain text as the input.`,
    );
  }
  const trimmed = text.trim();
  if (trimmed.startsWith("{")) {
    const value = parseRoundedJson(trimmed);
    if (isRecord(value) && Object.hasOwn(value, "input")) {
      assertSafeJson(value, limits);
      return restoreIntegers(value, trimmed) as JsonObject;
    }
  }
  if (isForm && /(?:^|&)input=/.test(trimmed)) return formFields(new URLSearchParams(trimmed));
  return trimmed === "" ? {} : { input: text };
}

function assertCharset(charset: string | undefined): void {
  if (charset === undefined || charset === "utf-8" || charset === "utf8" || charset === "us-ascii") return;
  throw new Problem(
    "unsupported_media_type",
    `The charset ${JSON.stringify(startOf(charset, 40))} is not supported. Send UTF-8.`,
  );
}

function jsonFields(text: string, limits: JsonLimits): JsonObject {
  return parseJsonObject(
    text,
    limits,
    ' with `input`, for example {"input":"hi"}',
    ", or send plain text without a JSON content type",
  );
}

/**
 * Parses the values of a form as JSON, for example `temperature=0.2`, `stream=true` or `schema={…}`. Values of string fields are not
 * parsed, and a value that is not JSON is a string.
 */
function formFields(form: Iterable<[name: string, value: string]>): JsonObject {
  const fields: JsonObject = {};
  const jsonTexts: [name: string, text: string][] = [];
  const limits = JSON_LIMITS.restricted;
  let count = 0;
  for (const [name, value] of form) {
    count += 1;
    if (count > limits.fields) throw tooManyFields(limits.fields);
    if (name === "__proto__" || Object.hasOwn(fields, name))
      throw new Problem(
        "invalid_request",
        "This form field is not allowed, or appears more than once. Send each field once.",
        {
          param: startOf(name, 80),
        },
      );
    const parsed = FORM_TEXT_FIELDS.has(name) ? undefined : parseRoundedJson(value);
    fields[name] = parsed ?? value;
    if (parsed !== undefined) jsonTexts.push([name, value]);
  }
  assertSafeJson(fields, limits);
  for (const [name, text] of jsonTexts) fields[name] = restoreIntegers(fields[name], text);
  return fields;
}

function withQuery(fields: JsonObject, query: Query): JsonObject {
  for (const [name, value] of query) {
    if (!QUERY_FIELDS.includes(name)) {
      throw new Problem(
        "unknown_parameter",
        `\`${startOf(name, 80)}\` is not allowed in the query string. Put it in the body; the query string accepts ${QUERY_FIELDS.slice(0, -1).join(", ")} and ${QUERY_FIELDS.at(-1)}.`,
        { param: startOf(name, 80) },
      );
    }
    const queryValue = name === "stream" ? booleanOf(value) : value;
    if (fields[name] !== undefined && fields[name] !== null && fields[name] !== queryValue) {
      throw new Problem(
        "invalid_request",
        `\`${name}\` has different values in the query string and in the body. Send it once.`,
        {
          param: name,
        },
      );
    }
    fields[name] = queryValue;
  }
  return fields;
}

function booleanOf(value: string): boolean {
  if (value === "" || value === "1" || value === "true") return true;
  if (value === "0" || value === "false") return false;
  throw new Problem("invalid_request", "`stream` in the query string must be true or false.", { param: "stream" });
}
