// The body and query of POST /ask, in every form that a person would send, as one Ask. Nothing is dropped in silence: what is not
// understood is refused with the name of the field.
import { assertSafe, isRecord, type JsonObject, parseJson } from "../lib/json.ts";
import { refuseField } from "../lib/field-problem.ts";
import { fieldsParser } from "../lib/parse-fields.ts";
import { Problem } from "../lib/problem.ts";
import { Ask, UPSTREAM_FIELDS } from "../../contract/ask.ts";

const parseFields = fieldsParser(Ask);

/** Fields of the body that the query may carry instead. */
const QUERY_FIELDS = new Set(["preset", "previous_response_id", "stream"]);

/** @param text the decoded body. @throws Problem 400 or 415 */
export function readAsk(text: string, contentType: string | null, query: Iterable<[name: string, value: string]>): Ask {
  return parseAsk(withQuery(fieldsOf(text, contentType), query));
}

/** @param parse for fields that did not come as JSON another than the usual. @throws Problem for a body that is no Ask, naming the field. */
export function parseAsk(fields: JsonObject, parse: (fields: JsonObject) => Ask = parseFields): Ask {
  for (const [name, value] of Object.entries(fields)) {
    // SDKs write null for what is not set.
    if (value === null) delete fields[name];
    else refuseField(name);
  }
  if (fields["input"] === undefined) {
    throw new Problem(
      "invalid_request",
      "`input` is missing. Send what you want to ask, as text or as a list of messages.",
      {
        param: "input",
      },
    );
  }
  return parse(fields);
}

function fieldsOf(text: string, contentType: string | null): JsonObject {
  const [type = "", ...parameters] = (contentType ?? "")
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  const charset = parameters
    .find((parameter) => parameter.startsWith("charset="))
    ?.slice("charset=".length)
    .replaceAll('"', "");
  if (charset !== undefined && charset !== "utf-8" && charset !== "utf8" && charset !== "us-ascii") {
    throw new Problem(
      "unsupported_media_type",
      `The charset ${JSON.stringify(charset.slice(0, 40))} is not supported. Send UTF-8.`,
    );
  }
  if (type === "application/json" || type.endsWith("+json")) return jsonFields(text);
  const form = type === "application/x-www-form-urlencoded";
  if (!form && type !== "" && !type.startsWith("text/")) {
    throw new Problem(
      "unsupported_media_type",
      `The content type ${JSON.stringify(type.slice(0, 80))} is not supported. Send application/json, or plain text as the input.`,
    );
  }
  const trimmed = text.trim();
  if (trimmed.startsWith("{")) {
    const value = parseJson(trimmed);
    if (isRecord(value) && Object.hasOwn(value, "input")) {
      assertSafe(value);
      return value;
    }
  }
  if (form && /(?:^|&)input=/.test(trimmed)) return formFields(new URLSearchParams(trimmed));
  return trimmed === "" ? {} : { input: text };
}

function jsonFields(text: string): JsonObject {
  const value = parseJson(text);
  if (value === undefined)
    throw new Problem(
      "invalid_json",
      "The body is not valid JSON. Check quotes, commas and brackets, or send plain text without a JSON content type.",
    );
  if (!isRecord(value))
    throw new Problem("invalid_request", 'The body must be a JSON object with `input`, for example {"input":"hi"}.');
  assertSafe(value);
  return value;
}

/** Form fields are text; those that a string can't be are read as JSON (`temperature=0.2`, `stream=true`, `schema={…}`). */
function formFields(form: URLSearchParams): JsonObject {
  const fields: JsonObject = {};
  for (const [name, value] of form) {
    if (name === "__proto__" || Object.hasOwn(fields, name))
      throw new Problem("invalid_request", "A form field is there twice or not allowed. Send each field once.", {
        param: name.slice(0, 80),
      });
    const parsed = STRING_FIELDS.has(name) ? undefined : parseJson(value);
    fields[name] = parsed ?? value;
  }
  assertSafe(fields);
  return fields;
}

/** A form's `user=7` is the text "7". */
const STRING_FIELDS = new Set([
  "input",
  "preset",
  "previous_response_id",
  ...Object.entries(UPSTREAM_FIELDS).flatMap(([name, schema]) => (schema.def.type === "string" ? [name] : [])),
]);

function withQuery(fields: JsonObject, query: Iterable<[name: string, value: string]>): JsonObject {
  for (const [name, value] of query) {
    if (!QUERY_FIELDS.has(name)) {
      throw new Problem(
        "unknown_parameter",
        `\`${name.slice(0, 80)}\` can't stand in the query. Put it into the body; the query takes preset, previous_response_id and stream.`,
        { param: name.slice(0, 80) },
      );
    }
    const given = name === "stream" ? flag(value) : value;
    if (fields[name] !== undefined && fields[name] !== null && fields[name] !== given) {
      throw new Problem(
        "invalid_request",
        `\`${name}\` is in the query and, with another value, in the body. Send it once.`,
        {
          param: name,
        },
      );
    }
    fields[name] = given;
  }
  return fields;
}

function flag(value: string): boolean {
  if (value === "" || value === "1" || value === "true") return true;
  if (value === "0" || value === "false") return false;
  throw new Problem("invalid_request", "`stream` in the query is true or false.", { param: "stream" });
}

/** The form of an answer. */
export type Form = "json" | "text";

/**
 * What the Accept header asks for: the listed type of the highest q, the first of equals; JSON where it names none of ours.
 * `events` is only a wish: the body's own `stream` wins over it.
 */
export function readAccept(accept: string | null): { form: Form; events: boolean } {
  let best = { type: "application/json", q: 0 };
  for (const range of (accept ?? "").toLowerCase().split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    if (type !== "application/json" && type !== "text/event-stream" && type !== "text/plain") continue;
    const q = Number(parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? "1");
    if (q > best.q) best = { type, q };
  }
  return { form: best.type === "text/plain" ? "text" : "json", events: best.type === "text/event-stream" };
}
