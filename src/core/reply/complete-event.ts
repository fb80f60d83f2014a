// An event of a stream that was converted from chat, with what its converter left out and clients break off without: the index of an
// item that begins, the text and annotations of a part. Events that lack nothing come back as they are, so their bytes can pass.
import { isRecord, type JsonObject } from "../lib/json.ts";
import { withAnnotations, withoutTools } from "./response-object.ts";

/**
 * @param index of the item, if this event is the beginning of one
 * @param locked the caller must not see lists of tools
 * @returns `data` itself where nothing is missing
 */
export function completeEvent(type: string, data: JsonObject, index: number, locked: boolean): JsonObject {
  const { item, part } = data;
  if (type === "response.output_item.added" && data["output_index"] === undefined)
    return completeEvent(type, { ...data, output_index: index }, index, locked);
  if (type.startsWith("response.output_item.") && isRecord(item)) {
    const complete = withAnnotations(item);
    const whole = locked ? withoutTools(complete) : complete;
    return whole === item ? data : { ...data, item: whole };
  }
  if (!type.startsWith("response.content_part.") || !isRecord(part) || part["type"] !== "output_text") return data;
  if (typeof part["text"] === "string" && Array.isArray(part["annotations"])) return data;
  return { ...data, part: { ...part, text: part["text"] ?? "", annotations: part["annotations"] ?? [] } };
}
