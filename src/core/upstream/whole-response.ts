// Recognizes a response to which the repair would add nothing. Most responses are such, and the check takes a tenth of the time.
import { isRecord, type JsonObject } from "../lib/json.ts";

/** OpenAI refuses an input whose items have longer ids. */
const MAX_ID_CHARS = 64;

/** Whether a response is finished, and its items are messages and function calls with everything that a caller needs. */
export function isWholeResponse(response: JsonObject): boolean {
  const { status, output, created_at, output_text } = response;
  if ((status !== "completed" && status !== "incomplete") || !Array.isArray(output) || output.length === 0)
    return false;
  // Larger times are not in seconds.
  if (!Number.isInteger(created_at) || (created_at as number) < 1 || (created_at as number) > 1e10) return false;
  if (output_text !== undefined) return false;
  const ids = new Set<unknown>();
  for (const item of output as unknown[]) {
    if (!isRecord(item) || !isWholeItem(item) || ids.has(item["id"])) return false;
    ids.add(item["id"]);
    if (item["type"] !== "function_call") continue;
    if (ids.has(item["call_id"])) return false;
    ids.add(item["call_id"]);
  }
  return true;
}

function isWholeItem(item: JsonObject): boolean {
  const { id, type, status } = item;
  if (typeof id !== "string" || id === "" || id.length > MAX_ID_CHARS) return false;
  if (status !== "completed" && status !== "incomplete") return false;
  if (type === "function_call") return isText(item["call_id"]) && isText(item["name"]) && isText(item["arguments"]);
  const { role, content } = item;
  return type === "message" && role === "assistant" && Array.isArray(content) && content.every(isWholePart);
}

function isWholePart(part: unknown): boolean {
  if (!isRecord(part)) return false;
  const { type, text, annotations, logprobs } = part;
  return (
    type === "output_text" &&
    typeof text === "string" &&
    text !== "" &&
    text.isWellFormed() &&
    Array.isArray(annotations) &&
    annotations.every(isRecord) &&
    Array.isArray(logprobs) &&
    Object.values(part).every((value) => value !== null)
  );
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "" && value.isWellFormed();
}
