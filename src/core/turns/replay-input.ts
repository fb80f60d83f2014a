// A conversation from memory as the `input` of one request: what continuity by replay sends when upstream has lost the thread.
// Item ids and reasoning items stay behind: both belong to one vendor account, and the next call may reach another.
import { isRecord, type JsonObject, recordsOf } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import type { Turn } from "./turn.ts";
import { itemsOf } from "../upstream/output.ts";

/** @param turns root first; @param input the new one */
export function replayInput(turns: readonly Turn[], input: unknown): JsonObject[] {
  const items: JsonObject[] = [];
  for (const turn of turns) {
    if (turn.inputLost === true) {
      throw new Problem(
        "conversation_too_long",
        "A turn of this conversation was too large to keep, and upstream has lost it. Start a new conversation.",
        {
          param: "previous_response_id",
        },
      );
    }
    items.push(...asItems(turn.input).flatMap(portable), ...itemsOf(turn.response).flatMap(portable));
  }
  items.push(...asItems(input).flatMap(fresh));
  return items;
}

/** `input` as a list: a text is the user's message. */
export function asItems(input: unknown): JsonObject[] {
  return typeof input === "string" ? [{ type: "message", role: "user", content: input }] : recordsOf(input);
}

/** The item as any backend can take it; nothing of one that only its own backend understands. */
function portable(item: JsonObject): JsonObject[] {
  const { id: _, status: __, ...rest } = item;
  const isMessage = rest["type"] === "message" || (rest["type"] === undefined && typeof rest["role"] === "string");
  // Calls of functions and their outputs belong together by call_id; traces of hosted tools are in the text that followed.
  if (!isMessage && typeof rest["call_id"] !== "string") return [];
  for (const key of ["content", "output"]) {
    const parts = rest[key];
    if (Array.isArray(parts)) rest[key] = parts.map((part: unknown) => (isRecord(part) ? portablePart(part) : part));
  }
  return [rest];
}

/** What the caller sends now goes as it is, but for what only the backend that made it knows: reasoning, and ids. */
function fresh(item: JsonObject): JsonObject[] {
  if (item["type"] === "reasoning") return [];
  const isReference = item["type"] === "item_reference" || (item["type"] === undefined && item["role"] === undefined);
  if (isReference) {
    throw new Problem(
      "invalid_request",
      "This conversation is sent from memory, where items have no ids. Send the item itself in place of an item_reference.",
      {
        param: "input",
      },
    );
  }
  const { id: _, ...rest } = item;
  return [rest];
}

/** An image that was too large to keep is a note by now, which is text. */
function portablePart(part: JsonObject): JsonObject {
  const { logprobs: _, ...rest } = part;
  for (const key of ["image_url", "file_data"]) {
    const value = rest[key];
    if (typeof value === "string" && value.startsWith("[") && value.endsWith("]"))
      return { type: "input_text", text: value };
  }
  return rest;
}
