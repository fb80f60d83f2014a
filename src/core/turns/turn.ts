// The records of turns in KV. A turn has its input, its response object, and the ids of its chain. It is written once and never changed. A
// corrupt record, or one of another version, counts as missing.
import { isRecord, type JsonObject, parseJson } from "../lib/json.ts";

export interface Turn {
  id: string;
  /** The parent's id, as the caller sent it; null for a root. */
  parent: string | null;
  /** The ids from the root to the parent, but at most the last 100. */
  ancestors: string[];
  /** Set if the input was too large to store. A note replaces it, so the turn can be read but not replayed. */
  inputLost?: true | undefined;
  /** The new input as the caller sent it, without earlier turns: a string, or a list of messages and items. */
  input: unknown;
  /** Upstream's response object, with upstream's id and without `instructions`. */
  response: JsonObject;
  preset: string | null;
  /** Whether the answer has `data`. */
  wantsData: boolean;
  metadata?: Record<string, string> | undefined;
  /** KV key of the same answer in the cache, so that both are deleted together. */
  answerKey?: string | undefined;
  /** The requested model. The config may have a price for it, or for the model that upstream's response names. */
  model: string;
  /** Unix seconds. */
  at: number;
}

/** One bulk read of KV takes at most this many keys. */
export const MAX_ANCESTORS = 100;
/** The largest record. KV accepts values of 25 MiB, but a bulk read of a whole chain returns at most about that much in total. */
const MAX_RECORD_BYTES = 1_048_576;
/** If a record is too large, a note replaces every longer data URL or base64 string. Shorter ones, such as icons, are preserved. */
const LONG_DATA_CHARS = 4_096;

/** Keys whose values are the text of the conversation. They are never replaced, even if they look like data. */
const TEXT_KEYS = new Set(["text", "output_text", "refusal", "arguments", "input", "content", "output"]);

/** Returns the KV key of a turn. */
export function turnKey(owner: string, id: string): string {
  return `turn:v1:${owner}:${id}`;
}

/**
 * Serializes a turn. If it is too large, notes replace its images and files. If it is still too large, a note replaces its input.
 * @returns null if even that is too large
 */
export function encodeTurn(turn: Turn): string | null {
  const { ancestors, ...fields } = turn;
  const record = { v: 1, ...fields, response: withoutInstructions(turn.response) };
  // `ancestors` is last, so that a reader can skip it. In a long conversation it is most of the record.
  return (
    encodeWithin({ ...record, ancestors }) ??
    encodeWithin({
      ...record,
      inputLost: true,
      input: `[${JSON.stringify(turn.input).length} characters of input were not stored]`,
      ancestors,
    })
  );
}

/**
 * Parses a turn.
 * @param skipAncestors whether to return an empty list of `ancestors`, which is faster
 * @returns null if the record is missing or is not a valid turn
 */
export function decodeTurn(text: string | null, skipAncestors = false): Turn | null {
  const record = text === null ? undefined : parseJson(skipAncestors ? withoutAncestors(text) : text);
  if (!isRecord(record) || record["v"] !== 1 || !isRecord(record["response"]) || !hasTurnFields(record)) return null;
  const { v: _, ...turn } = record;
  const { parent, preset, ancestors } = turn;
  const isValid =
    (parent === null || typeof parent === "string") &&
    (preset === null || typeof preset === "string") &&
    Array.isArray(ancestors) &&
    ancestors.every((id) => typeof id === "string");
  return isValid ? (turn as unknown as Turn) : null;
}

const ANCESTORS = ',"ancestors":[';

/** Empties the list of ancestors in a serialized turn, if the list is at its end. Ids contain no brackets. */
function withoutAncestors(text: string): string {
  // Finds the last occurrence by searching forward, because V8's lastIndexOf compares every character of the long list.
  let at = -1;
  for (let next = text.indexOf(ANCESTORS); next !== -1; next = text.indexOf(ANCESTORS, next + 1)) at = next;
  const isEnd = at !== -1 && text.endsWith("]}") && text.indexOf("}", at) === text.length - 1;
  return isEnd ? `${text.slice(0, at)},"ancestors":[]}` : text;
}

/** Whether a record has the fields that turns and cached answers share. */
export function hasTurnFields(record: JsonObject): boolean {
  const { id, input, model, at, wantsData, metadata } = record;
  return (
    typeof id === "string" &&
    input !== undefined &&
    typeof model === "string" &&
    typeof at === "number" &&
    typeof wantsData === "boolean" &&
    (metadata === undefined ||
      (isRecord(metadata) && Object.values(metadata).every((value) => typeof value === "string")))
  );
}

/** The record that replaces a deleted turn until the turn would have expired. The id is refused, but its ancestors can still be found. */
export interface Tombstone {
  deleted: true;
  /** The deleted turn's ancestors. */
  ancestors: string[];
}

export function encodeTombstone(ancestors: readonly string[]): string {
  return JSON.stringify({ v: 1, deleted: true, ancestors });
}

export function decodeTombstone(text: string | null): Tombstone | null {
  if (text === null || !text.startsWith('{"v":1,"deleted":true')) return null;
  const record = parseJson(text);
  if (!isRecord(record)) return null;
  const { ancestors } = record;
  return Array.isArray(ancestors) ? { deleted: true, ancestors: ancestors.map(String) } : null;
}

/** Returns the ancestors of a turn that follows `parent`. */
export function ancestorsOf(parentId: string | null, parent: Turn | null): string[] {
  if (parentId === null) return [];
  return [...(parent?.ancestors ?? []), parentId].slice(-MAX_ANCESTORS);
}

/** Serializes a record. If it is too large, a note replaces every long data URL or base64 string. @returns null if it is still too large */
function encodeWithin(record: JsonObject): string | null {
  const complete = JSON.stringify(record);
  if (fitsRecord(complete)) return complete;
  const shorter = JSON.stringify(record, (key, value: unknown) => {
    if (typeof value !== "string" || value.length <= LONG_DATA_CHARS || TEXT_KEYS.has(key)) return value;
    return value.startsWith("data:") || /^[A-Za-z0-9+/=]+$/.test(value)
      ? `[${value.length} characters of data were not stored]`
      : value;
  });
  return fitsRecord(shorter) ? shorter : null;
}

/** Whether a record has at most 1 MiB. A UTF-16 code unit takes at most three bytes, so most records need no exact count. */
export function fitsRecord(text: string): boolean {
  return (
    text.length * 3 <= MAX_RECORD_BYTES ||
    (text.length <= MAX_RECORD_BYTES && new TextEncoder().encode(text).length <= MAX_RECORD_BYTES)
  );
}

export function withoutInstructions(response: JsonObject): JsonObject {
  const { instructions: _, ...rest } = response;
  return rest;
}
