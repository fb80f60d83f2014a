// One turn of a conversation as it is stored in KV: the input, the response object, and the ids from the root to it. A turn is written
// once and never changed. Reading trusts nothing: a corrupt record, or one of another version, counts as missing.
import { isRecord, type JsonObject, parseJson } from "../lib/json.ts";

export interface Turn {
  id: string;
  /** The caller's id of the parent; null for a root. */
  parent: string | null;
  /** Ids from the root to the parent; of a longer chain the last 100. */
  ancestors: string[];
  /** The input was too large to store. A note replaces it: the turn can be read but not replayed. */
  inputLost?: true | undefined;
  /** The new input alone, as the caller sent it: a text, or messages and items. */
  input: unknown;
  /** Upstream's object without `instructions`; its `id` is upstream's. */
  response: JsonObject;
  preset: string | null;
  /** The answer has `data`. */
  wantsData: boolean;
  metadata?: Record<string, string> | undefined;
  /** KV key of the same answer in the cache, so that both can be deleted together. */
  answerKey?: string | undefined;
  /** The requested model. A price may be configured for it, or for the model that upstream names. */
  model: string;
  /** Unix seconds. */
  at: number;
}

/** As many as one bulk read of KV takes. */
export const MAX_ANCESTORS = 100;
/** Size of one record. KV accepts 25 MiB, but bulk reads of a whole chain do not. */
const MAX_RECORD_BYTES = 1_048_576;
/** A longer data URL is replaced by a note if the record would be too large; small icons stay. */
const LONG_DATA_CHARS = 4_096;

/** Keys whose values are the conversation's own text: never replaced, even if they look like data. */
const TEXT_KEYS = new Set(["text", "output_text", "refusal", "arguments", "input", "content", "output"]);

/** The KV key of a turn. */
export function turnKey(owner: string, id: string): string {
  return `turn:v1:${owner}:${id}`;
}

/**
 * The record of a turn: complete if it fits, else with notes in place of its images, else with a note in place of its input.
 * @returns null if even that is too large
 */
export function encodeTurn(turn: Turn): string | null {
  const { ancestors, ...fields } = turn;
  const record = { v: 1, ...fields, response: withoutInstructions(turn.response) };
  // `ancestors` is last, so that a reader can skip it: in a long conversation it is the larger part.
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

/** @returns null for a record that is missing or no valid turn. @param skipAncestors leave `ancestors` empty, which is faster */
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

/** The record with an empty list of ancestors, if the list is at its end. Ids contain no brackets. */
function withoutAncestors(text: string): string {
  // A forward search for the last occurrence: V8's lastIndexOf compares character by character through the long list.
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

/** Replaces a deleted turn until the turn would have expired: its id is refused, and its ancestors can still be found. */
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

/** The ancestors of a turn that follows `parent`. */
export function ancestorsOf(parentId: string | null, parent: Turn | null): string[] {
  if (parentId === null) return [];
  return [...(parent?.ancestors ?? []), parentId].slice(-MAX_ANCESTORS);
}

/** The record as it is, else with a note in place of every long data URL. @returns null if that is too large, too */
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

/** Whether a record has at most 1 MiB. A UTF-16 unit is at most three bytes, so the bytes of most records need not be counted. */
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
