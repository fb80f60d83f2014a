// Turns a chain into the `input` of one request, for replay. Item ids and reasoning items are left out: they belong to one vendor account,
// and the next call may reach another.
import { isRecord, type JsonObject, recordsOf } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import type { Turn } from "./turn.ts";
import { itemsOf } from "../upstream/output.ts";

/**
 * The chain and the new input as one list of items.
 * @param turns root first
 * @param input the new request's
 * @throws Problem 400 conversation_too_long, invalid_request
 */
export function replayInput(turns: readonly Turn[], input: unknown): JsonObject[] {
  const items: JsonObject[] = [];
  for (const turn of turns) {
    if (turn.inputLost === true) {
      throw new Problem(
        "conversation_too_long",
        "A turn of this conversation was too large to store, and UniAPI has lost it. Start a new conversation.",
        {
          param: "previous_response_id",
        },
      );
    }
    items.push(...asItems(turn.input).flatMap(toPortable), ...itemsOf(turn.response).flatMap(toPortable));
  }
  items.push(...asItems(input).flatMap(withoutVendorParts));
  return items;
}

/** `input` as a list of items: a text becomes a message of the user. */
export function asItems(input: unknown): JsonObject[] {
  return typeof input === "string" ? [{ type: "message", role: "user", content: input }] : recordsOf(input);
}

/** The item in a form that every backend accepts; an empty list for an item that only its own backend understands. */
function toPortable(item: JsonObject): JsonObject[] {
  const { id: _, status: __, ...rest } = item;
  const isMessage = rest["type"] === "message" || (rest["type"] === undefined && typeof rest["role"] === "string");
  // Function calls and their outputs belong together by call_id. Items of hosted tools are not needed: the text after them has the result.
  if (!isMessage && typeof rest["call_id"] !== "string") return [];
  for (const key of ["content", "output"]) {
    const parts = rest[key];
    if (Array.isArray(parts)) rest[key] = parts.map((part: unknown) => (isRecord(part) ? toPortablePart(part) : part));
  }
  return [rest];
}

/** An item of the new input without its id; an empty list for a reasoning item. Only the backend that made them understands these. */
function withoutVendorParts(item: JsonObject): JsonObject[] {
  if (item["type"] === "reasoning") return [];
  const isReference = item["type"] === "item_reference" || (item["type"] === undefined && item["role"] === undefined);
  if (isReference) {
    throw new Problem(
      "invalid_request",
      "This conversation is replayed from storage, where items have no ids. Send the item itself instead of an item_reference.",
      {
        param: "input",
      },
    );
  }
  const { id: _, ...rest } = item;
  return [rest];
}

/** A part of a message. The note in place of an image that was too large to store becomes a part with text. */
function toPortablePart(part: JsonObject): JsonObject {
  const { logprobs: _, ...rest } = part;
  for (const key of ["image_url", "file_data"]) {
    const value = rest[key];
    if (typeof value === "string" && value.startsWith("[") && value.endsWith("]"))
      return { type: "input_text", text: value };
  }
  return rest;
}
