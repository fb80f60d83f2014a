// Reads finished items and their parts, in all forms in which relays send them.
import { isRecord, type JsonObject, textOf } from "../lib/json.ts";
import { PART_FORMS, type PartKind } from "./event-kinds.ts";

/** A part of a finished item. `kind` is undefined, and `text` empty, for a part that is not text. */
export interface FinalPart {
  kind: PartKind | undefined;
  text: string;
  /** The part as upstream sent it. */
  part: JsonObject;
}

/** Returns the items of an `output`. Some relays send a single item, strings, or the parts of a message without the message. */
export function finalItemsOf(output: unknown): JsonObject[] {
  const items: unknown[] = Array.isArray(output) ? output.flat() : [output];
  return items.flatMap((item) => {
    if (typeof item === "string") return item === "" ? [] : [messageOf(item)];
    if (!isRecord(item)) return [];
    const type = textOf(item["type"]);
    if (BARE_PARTS.has(type) && item["content"] === undefined) return [messageOf([item])];
    return type === "Message" ? [{ ...item, type: "message" }] : [item];
  });
}

const BARE_PARTS: ReadonlySet<string> = new Set(["output_text", "text", "refusal"]);

function messageOf(content: unknown): JsonObject {
  return { type: "message", role: "assistant", content };
}

/** Returns the parts of a list. Relays that convert from the chat API send a string, a list of strings, or parts of the type `text`. */
export function partsOf(item: JsonObject | undefined, list: "content" | "summary", itemType: string): FinalPart[] {
  const value = item?.[list];
  if (typeof value === "string") return value === "" ? [] : [textPart(kindOfText(list, itemType), value)];
  const parts: unknown[] = Array.isArray(value) ? value.flat() : [value];
  return parts.flatMap((part) => {
    if (typeof part === "string") return [textPart(kindOfText(list, itemType), part)];
    if (!isRecord(part)) return [];
    const final = toFinalPart(part, list, itemType);
    // A part whose type can't be inferred is ignored.
    return final.kind === undefined && textOf(part["type"]) === "" ? [] : [final];
  });
}

/**
 * Returns the kind of a part; undefined if it is not text. A part with a `text` has the kind that belongs to its list and its item,
 * whatever type a relay gives it. Only a refusal in a message has a kind of its own.
 */
export function kindOfPart(part: JsonObject, list: "content" | "summary", itemType: string): PartKind | undefined {
  if (list === "summary") return "summary_text";
  const type = textOf(part["type"]);
  if (itemType !== "reasoning" && (type === "refusal" || (type === "" && typeof part["refusal"] === "string")))
    return "refusal";
  const kind = kindOfText(list, itemType);
  return type === kind || type === "text" || textIn(part, "text") !== undefined ? kind : undefined;
}

/** Returns the text of a part; undefined if it has none. Some relays send it as an object with a `value`, or as `content`. */
function textIn(part: JsonObject, key: string): string | undefined {
  const value = part[key] ?? part["content"];
  const text = isRecord(value) ? value["value"] : value;
  return typeof text === "string" ? text : undefined;
}

function kindOfText(list: "content" | "summary", itemType: string): PartKind {
  return list === "summary" ? "summary_text" : itemType === "reasoning" ? "reasoning_text" : "output_text";
}

function toFinalPart(part: JsonObject, list: "content" | "summary", itemType: string): FinalPart {
  const kind = kindOfPart(part, list, itemType);
  return { kind, text: kind === undefined ? "" : (textIn(part, PART_FORMS[kind].textKey) ?? ""), part };
}

function textPart(kind: PartKind, text: string): FinalPart {
  return { kind, text, part: {} };
}
