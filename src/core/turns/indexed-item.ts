// The records of items in KV. With them, a later request can refer to an item of an earlier answer (`item_reference`). The item in a record
// has the form that any backend accepts.
import { isRecord, type JsonObject, parseJson } from "../lib/json.ts";
import { itemsOf } from "../upstream/output.ts";
import { isIdOfLeftOutItem, itemTypeOf, toPortable } from "./item-types.ts";
import { fitsRecord } from "./turn.ts";

/**
 * Some relays give the same short ids, such as `msg_0`, to the items of every answer. A reference to such an id could be resolved to an item of
 * another conversation. OpenAI's ids have more than 50 characters.
 */
const MIN_UNIQUE_ID_CHARS = 20;
/** How many items of one answer are indexed. More are very rare, and each of them is a write to KV. */
const MAX_ITEMS = 50;
/** An id of another form can't be part of a key. */
const ITEM_ID = /^[\w.:-]{1,128}$/;

/** Returns the KV key of an item; undefined if the id can't be part of a key. */
export function itemKey(owner: string, id: string): string | undefined {
  return ITEM_ID.test(id) ? `item:v1:${owner}:${id}` : undefined;
}

/**
 * Returns the records of a response's items, by KV key. Each contains the id of its turn, since a relay may give one id to items of several
 * turns. There are none for function calls, which clients send in full, for items whose ids show that they are left out, and for items that
 * are too large.
 */
export function itemRecords(owner: string, turnId: string, response: JsonObject): Map<string, string> {
  const records = new Map<string, string>();
  for (const item of itemsOf(response)) {
    const { id } = item;
    const key = typeof id === "string" ? itemKey(owner, id) : undefined;
    if (key === undefined || isIdOfLeftOutItem(String(id)) || itemTypeOf(item) === "function_call") continue;
    const text = JSON.stringify({ v: 1, turn: turnId, item: toPortable(item) ?? null });
    if (fitsRecord(text) && records.size < MAX_ITEMS) records.set(key, text);
  }
  return records;
}

/** Whether another turn may have an item with this id. */
export function mayBeShared(key: string): boolean {
  return key.length - key.lastIndexOf(":") <= MIN_UNIQUE_ID_CHARS;
}

/** The record for an id that items of several turns have. A reference to it gets the same error as one to an unknown item. */
export const SHARED_ITEM = JSON.stringify({ v: 1, turn: null });

/** Whether a record is of an item of this turn. */
export function isItemOfTurn(text: string | null, turnId: string): boolean {
  const record = text === null ? undefined : parseJson(text);
  return isRecord(record) && record["turn"] === turnId;
}

/** Parses a record. @returns null for an item that is left out; undefined if there is no valid record */
export function decodeItem(text: string | null): JsonObject | null | undefined {
  const record = text === null ? undefined : parseJson(text);
  if (!isRecord(record) || record["v"] !== 1) return undefined;
  const { item } = record;
  return item === null || isRecord(item) ? item : undefined;
}
