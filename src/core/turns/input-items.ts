// The input of a turn as GET /v1/responses/{id}/input_items lists it: each item has an id and a status, and each message has its content as
// parts. The turn itself holds the input as the caller sent it.
import { isRecord, type JsonObject, textOf } from "../lib/json.ts";
import { withoutNulls } from "../lib/objects.ts";
import { jsonTextOf } from "../upstream/output.ts";
import { itemTypeOf } from "./item-types.ts";
import { asItems } from "./replay-input.ts";
import type { Turn } from "./turn.ts";

/** Lists the input items of a turn, oldest first. */
export function inputItemsOf(turn: Turn): (JsonObject & { id: string; type: string })[] {
  return asItems(turn.input).map((item, at) => {
    const type = itemTypeOf(item);
    return { ...completeItem(item, type), type, id: textOf(item["id"]) || `item_${at}_${turn.id.slice(-12)}` };
  });
}

/** Adds the keys that an item of its type has in OpenAI's list. Items of all other types are unchanged. */
function completeItem(item: JsonObject, type: string): JsonObject {
  const status = textOf(item["status"]) || "completed";
  switch (type) {
    case "message":
      return { ...item, status, content: partsOf(item["content"], item["role"] === "assistant") };
    case "function_call":
      return { ...item, status, arguments: jsonTextOf(item["arguments"]) };
    case "function_call_output": {
      const { output } = item;
      return { ...item, status, output: Array.isArray(output) ? partsOf(output, false) : jsonTextOf(output) };
    }
    case "reasoning":
      return { ...item, summary: Array.isArray(item["summary"]) ? item["summary"] : [] };
    default:
      return item;
  }
}

/** Converts content to parts. @param isOutput whether a string is the model's own text */
function partsOf(content: unknown, isOutput: boolean): JsonObject[] {
  const parts: unknown[] = Array.isArray(content) ? content : [content];
  return parts.flatMap((part) => {
    if (typeof part !== "string") return isRecord(part) ? [completePart(part)] : [];
    return [completePart({ type: isOutput ? "output_text" : "input_text", text: part })];
  });
}

function completePart(part: JsonObject): JsonObject {
  if (part["type"] === "output_text") return { annotations: [], logprobs: [], ...withoutNulls(part) };
  if (part["type"] === "input_image") return { image_url: null, ...part, detail: textOf(part["detail"]) || "auto" };
  return part;
}
