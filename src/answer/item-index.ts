// Items of answers by their ids, so that a request can refer to them (`item_reference`), as OpenAI's API allows. Upstream's backends don't
// share items, so a reference is replaced with the item itself before the first call.
import type { JsonObject } from "../core/lib/json.ts";
import { conversationTooLong, Problem } from "../core/lib/problem.ts";
import { isIdOfLeftOutItem, itemTypeOf } from "../core/turns/item-types.ts";
import {
  decodeItem,
  isItemOfTurn,
  itemKey,
  itemRecords,
  mayBeShared,
  SHARED_ITEM,
} from "../core/turns/indexed-item.ts";
import type { Turn } from "../core/turns/turn.ts";
import type { Deps } from "../deps.ts";

/** The most references to different items in one request. */
const MAX_REFERENCES = 1_000;
/** For all items of one request together, because they share an isolate's memory with other requests. */
const MAX_CHARS = 24_000_000;
/** Pauses before each further read of items that KV does not show, in milliseconds. An id does not tell how old its item is. */
const RETRY_DELAYS_MS = [250, 750];

/**
 * Writes the items of an answer to KV.
 * @param ttl seconds
 * @returns undefined if there is nothing to write
 */
export function indexItems(
  deps: Deps,
  owner: string,
  { id, response }: Pick<Turn, "id" | "response">,
  ttl: number,
): Promise<unknown> | undefined {
  const records = [...itemRecords(owner, id, response)];
  return records.length === 0 ? undefined : writeRecords(deps, id, records, ttl);
}

/** Writes records. An id that items of several turns have gets a record that resolves to none of them. */
async function writeRecords(
  deps: Deps,
  turnId: string,
  records: readonly (readonly [key: string, text: string])[],
  ttl: number,
): Promise<void> {
  const known = new Map(records.map(([key]) => [key, deps.recentItems.get(key) ?? null]));
  for (const [key, text] of records) deps.recentItems.set(key, text);
  const unsure = records.map(([key]) => key).filter((key) => mayBeShared(key) && known.get(key) === null);
  if (unsure.length > 0) {
    const stored = await deps.store.read(unsure);
    unsure.forEach((key, at) => known.set(key, stored[at] ?? null));
  }
  await Promise.all(
    records.map(([key, text]) => {
      const before = known.get(key) ?? null;
      const isShared = before !== null && before !== text && !isItemOfTurn(before, turnId);
      if (isShared) deps.recentItems.set(key, SHARED_ITEM);
      return deps.store.write(key, isShared ? SHARED_ITEM : text, ttl);
    }),
  );
}

/** Removes the items of a deleted turn. An item of a later turn that has the same id remains. @throws Problem unavailable */
export async function removeItems(deps: Deps, owner: string, { id, response }: Turn): Promise<void> {
  const keys = [...itemRecords(owner, id, response).keys()];
  if (keys.length === 0) return;
  const stored = await deps.store.readStrict(keys);
  await Promise.all(
    keys.map(async (key, at) => {
      if (isItemOfTurn(deps.recentItems.get(key) ?? null, id)) deps.recentItems.delete(key);
      // A record that is not visible yet belongs to this turn, or is being written for a later one.
      const text = stored[at] ?? null;
      if (text === null || isItemOfTurn(text, id)) await deps.store.remove(key);
    }),
  );
}

/**
 * Replaces the references in a request's input with the items themselves. Reasoning items and traces of hosted tools are left out.
 * @returns undefined if the input has no references, or if the config has `turns: false`; upstream then gets the input unchanged
 * @throws Problem 404 item_not_found, 400 invalid_request, conversation_too_long, 503 unavailable
 */
export async function resolveReferences(deps: Deps, owner: string, input: unknown): Promise<JsonObject[] | undefined> {
  if (deps.config.turns === false || !Array.isArray(input)) return undefined;
  const items = input as JsonObject[];
  const withoutId = items.findIndex((item) => item["type"] === "item_reference" && referencedId(item) === undefined);
  if (withoutId !== -1) {
    const param = `input[${withoutId}].id`;
    throw new Problem("invalid_request", `\`${param}\` must be the id of an item of an earlier answer.`, { param });
  }
  const ids = new Set(items.flatMap((item) => referencedId(item) ?? []));
  if (ids.size === 0) return undefined;
  const found = await readItems(
    deps,
    owner,
    [...ids].filter((id) => !isIdOfLeftOutItem(id)),
  );
  const resolved = new Set<string>();
  return items.flatMap((item, at): JsonObject[] => {
    const id = referencedId(item);
    if (id === undefined) return [item];
    // A client may send one reference for each part of a message.
    const previous = items[at - 1];
    const isRepeated = previous !== undefined && referencedId(previous) === id;
    const referenced = isRepeated ? undefined : found.get(id);
    if (referenced === undefined || referenced === null) return [];
    if (resolved.has(id)) throw ambiguousReference(id);
    resolved.add(id);
    return [referenced];
  });
}

/** The problem for an id that the input names at two places. Some relays give the same id to items of several answers. */
function ambiguousReference(id: string): Problem {
  const message = `\`input\` refers to the item '${id.slice(0, 128)}' at two places, so two answers have an item with this id. Send the items themselves, or continue with previous_response_id.`;
  return new Problem("invalid_request", message, { param: "input" });
}

/** Returns the id that a reference names; undefined for any other item. `type` may be absent or null. */
function referencedId(item: JsonObject): string | undefined {
  const { id } = item;
  return itemTypeOf(item) === "item_reference" && typeof id === "string" ? id : undefined;
}

/** Reads items by their ids. @returns null for an item that is left out */
async function readItems(deps: Deps, owner: string, ids: readonly string[]): Promise<Map<string, JsonObject | null>> {
  if (ids.length > MAX_REFERENCES) {
    const message = `\`input\` refers to more than ${MAX_REFERENCES} items. Send the items themselves, or continue with previous_response_id.`;
    throw new Problem("invalid_request", message, { param: "input" });
  }
  const found = new Map<string, JsonObject | null>();
  const missing = new Map(ids.map((id) => [id, itemKey(owner, id)]));
  let chars = 0;
  const add = (id: string, text: string | null): void => {
    chars += text?.length ?? 0;
    if (chars > MAX_CHARS) throw conversationTooLong();
    const item = decodeItem(text);
    if (item === undefined) return;
    found.set(id, item);
    missing.delete(id);
  };
  for (const [id, key] of missing) add(id, (key === undefined ? undefined : deps.recentItems.get(key)) ?? null);
  for (const pause of [0, ...RETRY_DELAYS_MS]) {
    const keys = [...missing].flatMap(([id, key]) => (key === undefined ? [] : [{ id, key }]));
    if (keys.length === 0) break;
    if (pause > 0) await deps.sleep(pause);
    const texts = await deps.store.readStrict(keys.map(({ key }) => key));
    keys.forEach(({ id }, at) => add(id, texts[at] ?? null));
  }
  const [unknown] = missing.keys();
  if (unknown === undefined) return found;
  throw new Problem("item_not_found", `Item with id '${unknown.slice(0, 128)}' not found.`, { param: "input" });
}
