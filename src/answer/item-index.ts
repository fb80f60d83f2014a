// Items of answers by their ids, so that a request can refer to them (`item_reference`), as OpenAI's API allows. Upstream's backends don't
// share items, so a reference is replaced with the item itself before the first call.
import { deriveDigest } from "../core/callers/owner.ts";
import { canonicalJson, type JsonObject } from "../core/lib/json.ts";
import { isEqual } from "../core/lib/objects.ts";
import { conversationTooLong, Problem } from "../core/lib/problem.ts";
import { isIdOfLeftOutItem, itemTypeOf } from "../core/turns/item-types.ts";
import {
  decodeItems,
  encodeItems,
  indexableItems,
  type IndexedItem,
  itemKey,
  mayBeShared,
} from "../core/turns/indexed-item.ts";
import { asItems } from "../core/turns/replay-input.ts";
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
export function indexItems(deps: Deps, owner: string, turn: IndexedTurn, ttl: number): Promise<unknown> | undefined {
  const items = indexableItems(owner, turn.response);
  return items.size === 0 ? undefined : writeItems(deps, turn, items, ttl);
}

type IndexedTurn = Pick<Turn, "id" | "input" | "response">;

/** Writes items, each with the items of other turns that have the same id. KV is read only for ids that may be shared. */
async function writeItems(
  deps: Deps,
  { id, input }: IndexedTurn,
  items: ReadonlyMap<string, JsonObject | null>,
  ttl: number,
): Promise<void> {
  const keys = [...items.keys()];
  const known = new Map(keys.map((key) => [key, deps.recentItems.get(key) ?? null]));
  const unsure = keys.filter((key) => mayBeShared(key));
  const inputItems = asItems(input);
  const before =
    unsure.length === 0 ? undefined : { count: inputItems.length, digest: await digestOf(deps, inputItems) };
  const unread = unsure.filter((key) => known.get(key) === null);
  const stored = unread.length === 0 ? [] : await deps.store.read(unread);
  unread.forEach((key, at) => known.set(key, stored[at] ?? null));
  await Promise.all(
    [...items].map(async ([key, item]) => {
      const others = decodeItems(known.get(key) ?? null).filter(({ turn }) => turn !== id);
      const text = encodeItems([{ turn: id, item, before: mayBeShared(key) ? before : undefined }, ...others]);
      if (text === null) return;
      deps.recentItems.set(key, text);
      await deps.store.write(key, text, ttl);
    }),
  );
}

function digestOf(deps: Deps, items: readonly JsonObject[]): Promise<string> {
  return deriveDigest(deps.idKeys, "items", canonicalJson({ items }));
}

/** Removes the items of a deleted turn. Items of other turns that have the same id remain. @throws Problem unavailable */
export async function removeItems(deps: Deps, owner: string, { id, response }: Turn): Promise<void> {
  const keys = [...indexableItems(owner, response).keys()];
  if (keys.length === 0 || deps.config.turns === false) return;
  const { ttl } = deps.config.turns;
  const stored = await deps.store.readStrict(keys);
  await Promise.all(
    keys.map(async (key, at) => {
      deps.recentItems.delete(key);
      const others = decodeItems(stored[at] ?? null).filter(({ turn }) => turn !== id);
      const text = encodeItems(others);
      await (text === null ? deps.store.remove(key) : deps.store.write(key, text, ttl));
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
  const resolved: JsonObject[] = [];
  const resolvedItems = new Set<IndexedItem>();
  for (const [at, item] of items.entries()) {
    const id = referencedId(item);
    if (id === undefined) {
      resolved.push(item);
      continue;
    }
    // A client may send one reference for each part of a message.
    const previous = items[at - 1];
    if (isIdOfLeftOutItem(id) || (previous !== undefined && referencedId(previous) === id)) continue;
    const candidates = found.get(id) ?? [];
    const indexed = await chooseItem(deps, candidates, resolved);
    if (indexed === undefined) throw itemNotFound(id);
    if (indexed.item === null) continue;
    if (candidates.length === 1 && resolvedItems.has(indexed)) throw ambiguousReference(id);
    resolvedItems.add(indexed);
    resolved.push(indexed.item);
  }
  return resolved;
}

/**
 * Chooses the item that a reference means, if several turns have an item with its id: that of the turn whose input the request repeats before
 * the reference. So a reference never finds the text of another conversation.
 */
async function chooseItem(
  deps: Deps,
  candidates: readonly IndexedItem[],
  preceding: readonly JsonObject[],
): Promise<IndexedItem | undefined> {
  const [first] = candidates;
  if (first === undefined || candidates.every(({ item }) => isEqual(item, first.item))) return first;
  const digests = new Map<number, string>();
  const matching: IndexedItem[] = [];
  for (const candidate of candidates) {
    const { count, digest } = candidate.before ?? { count: Infinity, digest: "" };
    if (count > preceding.length) continue;
    if (!digests.has(count)) digests.set(count, await digestOf(deps, preceding.slice(0, count)));
    if (digests.get(count) === digest) matching.push(candidate);
  }
  const longest = Math.max(...matching.map(({ before }) => before?.count ?? 0));
  const [match, ...others] = matching.filter(({ before }) => before?.count === longest);
  return match !== undefined && others.every(({ item }) => isEqual(item, match.item)) ? match : undefined;
}

function itemNotFound(id: string): Problem {
  return new Problem("item_not_found", `Item with id '${id.slice(0, 128)}' not found.`, { param: "input" });
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

/** Reads the items with each id. @throws Problem 404 item_not_found if there is none */
async function readItems(deps: Deps, owner: string, ids: readonly string[]): Promise<Map<string, IndexedItem[]>> {
  if (ids.length > MAX_REFERENCES) {
    const message = `\`input\` refers to more than ${MAX_REFERENCES} items. Send the items themselves, or continue with previous_response_id.`;
    throw new Problem("invalid_request", message, { param: "input" });
  }
  const found = new Map<string, IndexedItem[]>();
  const missing = new Map(ids.map((id) => [id, itemKey(owner, id)]));
  let chars = 0;
  const add = (id: string, text: string | null): void => {
    chars += text?.length ?? 0;
    if (chars > MAX_CHARS) throw conversationTooLong();
    const items = decodeItems(text);
    if (items.length === 0) return;
    found.set(id, items);
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
  throw itemNotFound(unknown);
}
