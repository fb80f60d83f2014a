// Reads the body of POST /v1/responses. Upstream checks every field that the Worker does not use.
import { ResponsesRequest } from "../../contract/ask.ts";
import { type JsonLimits, parseJsonObject } from "../lib/json.ts";
import { assertNotRefused, jsonFieldsParser } from "../lib/parse-fields.ts";
import { Problem } from "../lib/problem.ts";
import { startOf } from "../lib/text.ts";
import { isJsonType, readContentType } from "./headers.ts";

const parseJsonFields = jsonFieldsParser(ResponsesRequest);

/** @throws Problem 400, 415 */
export function readResponses(text: string, contentType: string | null, limits: JsonLimits): ResponsesRequest {
  const { type } = readContentType(contentType);
  if (type !== "" && !isJsonType(type) && type !== "text/plain" && type !== "application/x-www-form-urlencoded") {
    throw new Problem(
      "unsupported_media_type",
      `The content type ${JSON.stringify(startOf(type, 80))} is not supported. Send application/json.`,
    );
  }
  const fields = parseJsonObject(text, limits, ", as for OpenAI's POST /v1/responses");
  for (const [name, value] of Object.entries(fields)) {
    // SDKs send false and null for features that are not used.
    if (value !== null && value !== false) assertNotRefused(name);
  }
  return parseJsonFields(fields);
}
