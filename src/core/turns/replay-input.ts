// Converts a chain to the `input` of one request, for replay. Omits item ids and reasoning items, which are valid only in one vendor
// account. The next call may reach a different one.
import { isRecord, type JsonObject, recordsOf } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import type { Turn } from "./turn.ts";
import { itemsOf } from "../upstream/output.ts";

/**
 * Joins a chain and a new input into one list of items.
 * @param turns the turns of the chain, root first
 * @param input the new request's input
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

/** Converts `input` to a list of items. A string becomes a message of the user. */
export function asItems(input: unknown): JsonObject[] {
  return typeof input === "string" ? [{ type: "message", role: "user", content: input }] : recordsOf(input);
}

/** Converts an item to a form that every backend accepts. Returns an empty list if only the backend that created the item accepts it. */
function toPortable(item: JsonObject): JsonObject[] {
  const { id: _, status: __, ...rest } = item;
  const isMessage = rest["type"] === "message" || (rest["type"] === undefined && typeof rest["role"] === "string");
  // A function call and its output are linked by call_id. An item without one belongs to a hosted tool and is not needed, because the
  // answer's text has the result.
  if (!isMessage && typeof rest["call_id"] !== "string") return [];
  for (const key of ["content", "output"]) {
    const parts = rest[key];
    if (Array.isArray(parts)) rest[key] = parts.map((part: unknown) => (isRecord(part) ? toPortablePart(part) : part));
  }
  return [rest];
}

/**
 * Removes an item's id from the new input. Returns an empty list for a reasoning item. Only the backend that created ids and reasoning
 * items accepts them.
 */
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

/** Converts a part of a message. If an image was too large to store, the note that replaced it becomes a part with text. */
function toPortablePart(part: JsonObject): JsonObject {
  const { logprobs: _, ...rest } = part;
  for (const key of ["image_url", "file_data"]) {
    const value = rest[key];
    if (typeof value === "string" && value.startsWith("[") && value.endsWith("]"))
      return { type: "input_text", text: value };
  }
  return rest;
}
