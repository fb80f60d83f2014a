// The body of POST /v1/responses as a ResponsesRequest. What the Worker does not read itself is upstream's to judge.
import { assertSafe, isRecord, parseJson } from "../lib/json.ts";
import { refuseField } from "../lib/field-problem.ts";
import { fieldsParser } from "../lib/parse-fields.ts";
import { Problem } from "../lib/problem.ts";
import { ResponsesRequest } from "../../contract/ask.ts";

const parseFields = fieldsParser(ResponsesRequest);

/** @throws Problem 400, 415 */
export function readResponses(text: string, contentType: string | null): ResponsesRequest {
  const type = (contentType ?? "").toLowerCase().split(";")[0]?.trim() ?? "";
  if (
    type !== "" &&
    type !== "application/json" &&
    !type.endsWith("+json") &&
    !type.startsWith("text/plain") &&
    type !== "application/x-www-form-urlencoded"
  ) {
    throw new Problem(
      "unsupported_media_type",
      `The content type ${JSON.stringify(type.slice(0, 80))} is not supported. Send application/json.`,
    );
  }
  const value = parseJson(text);
  if (value === undefined)
    throw new Problem("invalid_json", "The body is not valid JSON. Check quotes, commas and brackets.");
  if (!isRecord(value))
    throw new Problem("invalid_request", "The body must be a JSON object, as for OpenAI's POST /v1/responses.");
  assertSafe(value);
  for (const [name, field] of Object.entries(value)) {
    // false and null ask for nothing: SDKs send them.
    if (field !== null && field !== false) refuseField(name);
  }
  return parseFields(value);
}
