// The records of items in KV. With them, a later request can refer to an item of an earlier answer (`item_reference`). The item in a record
// has the form that any backend accepts.
import { isRecord, type JsonObject, parseJson, recordsOf } from "../lib/json.ts";
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

/** An item of a turn under its id. */
export interface IndexedItem {
  /** The id of the turn. */
  turn: string;
  /** In the form that any backend accepts; null if it is left out. */
  item: JsonObject | null;
  /** The number of input items of the turn, and a digest of them. Present only if the id may be that of items in several turns. */
  before?: { count: number; digest: string } | undefined;
}

/** How many items with the same id are stored, the newest first. */
const MAX_SHARED = 8;

/**
 * Returns a response's items that later requests may refer to, by KV key. There are none for function calls, which clients send in full, and
 * for items whose ids show that they are left out.
 */
export function indexableItems(owner: string, response: JsonObject): Map<string, JsonObject | null> {
  const items = new Map<string, JsonObject | null>();
  for (const item of itemsOf(response)) {
    const { id } = item;
    const key = typeof id === "string" ? itemKey(owner, id) : undefined;
    if (key === undefined || isIdOfLeftOutItem(String(id)) || itemTypeOf(item) === "function_call") continue;
    if (items.size < MAX_ITEMS) items.set(key, toPortable(item) ?? null);
  }
  return items;
}

/** Whether another turn may have an item with this id. */
export function mayBeShared(key: string): boolean {
  return key.length - key.lastIndexOf(":") <= MIN_UNIQUE_ID_CHARS;
}

/** Serializes the items with one id, the newest first. Leaves out the oldest if there are too many. @returns null if none fits a record */
export function encodeItems(items: readonly IndexedItem[]): string | null {
  for (let count = Math.min(items.length, MAX_SHARED); count > 0; count -= 1) {
    const text = JSON.stringify({ v: 1, items: items.slice(0, count) });
    if (fitsRecord(text)) return text;
  }
  return null;
}

/** Parses a record. @returns an empty list if there is no valid record */
export function decodeItems(text: string | null): IndexedItem[] {
  const record = text === null ? undefined : parseJson(text);
  if (!isRecord(record) || record["v"] !== 1) return [];
  return recordsOf(record["items"]).filter(isIndexedItem);
}

function isIndexedItem(value: JsonObject): value is JsonObject & IndexedItem {
  const { turn, item, before } = value;
  return (
    typeof turn === "string" &&
    (item === null || isRecord(item)) &&
    (before === undefined ||
      (isRecord(before) && typeof before["count"] === "number" && typeof before["digest"] === "string"))
  );
}
