// The payload of a verified event, as most senders send it: JSON or a form.
import type { Payload } from "../core/config/config-schema.ts";
import {
  assertSafeJson,
  decodeUtf8,
  isRecord,
  JSON_LIMITS,
  parseRoundedJson,
  restoreIntegers,
  tooManyFields,
} from "../core/lib/json.ts";
import { Problem } from "../core/lib/problem.ts";
import { readContentType } from "../core/request/headers.ts";

/**
 * Parses the body of an event, which is JSON or a form. If a form has the field `payload`, as GitHub and Slack send it, the payload is the
 * JSON in that field. Otherwise the payload consists of the form's fields. The content type is not signed, so a body that begins like JSON
 * is read as JSON. An integer beyond 2^53, as in some ids, becomes a string of its digits: a deployer's function can use it like any string,
 * while a number would be rounded to another id.
 * @throws Problem 400 invalid_json, invalid_request, input_too_deep, too_many_values
 */
export function readPayload(raw: Uint8Array, headers: Headers): Payload {
  const text = decodeUtf8(raw);
  const { type } = readContentType(headers.get("content-type"));
  const isForm = type === "application/x-www-form-urlencoded" && !/^\s*[{[]/.test(text);
  const payload = isForm ? formPayload(new URLSearchParams(text)) : jsonPayload(text);
  if (!isRecord(payload) && !Array.isArray(payload)) {
    throw new Problem(
      "invalid_request",
      "The event must be a JSON object or a form. Send it as the provider's documentation says.",
    );
  }
  return payload;
}

function jsonPayload(text: string): unknown {
  const value = parseRoundedJson(text);
  if (value === undefined)
    throw new Problem("invalid_json", "The event is not valid JSON. Send it as the provider's documentation says.");
  assertSafeJson(value, JSON_LIMITS.hook);
  return restoreIntegers(value, text, String);
}

function formPayload(form: URLSearchParams): unknown {
  if (form.size > JSON_LIMITS.hook.fields) throw tooManyFields(JSON_LIMITS.hook.fields);
  if (new Set(form.keys()).size !== form.size)
    throw new Problem("invalid_request", "A form field appears more than once. Send each field once.");
  const payload = form.get("payload");
  if (payload !== null) return jsonPayload(payload);
  // fromEntries makes `__proto__` an own property, so that assertSafeJson finds it.
  const fields = Object.fromEntries(form);
  assertSafeJson(fields, JSON_LIMITS.hook);
  return fields;
}
