// Reads the parts of finished items, in all forms in which relays send them.
import { isRecord, type JsonObject, textOf } from "../lib/json.ts";
import { PART_FORMS, type PartKind } from "./event-kinds.ts";

/** A part of a finished item. `kind` is undefined, and `text` empty, for a part that is not text. */
export interface FinalPart {
  kind: PartKind | undefined;
  text: string;
  /** The part as upstream sent it. */
  part: JsonObject;
}

/** Returns the parts of a list. Relays that convert from the chat API send a string, a list of strings, or parts of the type `text`. */
export function partsOf(item: JsonObject | undefined, list: "content" | "summary", itemType: string): FinalPart[] {
  const value = item?.[list];
  if (typeof value === "string") return value === "" ? [] : [textPart(kindOfText(list, itemType), value)];
  if (!Array.isArray(value)) return [];
  return value.flatMap((part: unknown) => {
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
  return type === kind || type === "text" || typeof part["text"] === "string" ? kind : undefined;
}

function kindOfText(list: "content" | "summary", itemType: string): PartKind {
  return list === "summary" ? "summary_text" : itemType === "reasoning" ? "reasoning_text" : "output_text";
}

function toFinalPart(part: JsonObject, list: "content" | "summary", itemType: string): FinalPart {
  const kind = kindOfPart(part, list, itemType);
  return { kind, text: kind === undefined ? "" : textOf(part[PART_FORMS[kind].textKey]), part };
}

function textPart(kind: PartKind, text: string): FinalPart {
  return { kind, text, part: {} };
}
