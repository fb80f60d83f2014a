// One turn of a conversation as it stands in KV: what was asked, the response object, and the way back to the root. Written once,
// never changed. Reading trusts nothing: a record that is corrupt or of another version is as good as none.
import { isRecord, type JsonObject, parseJson } from "../lib/json.ts";

export interface Turn {
  id: string;
  /** The caller's id of the turn before, null for a root. */
  parent: string | null;
  /** Ids from the root, or the last 100 of them, to the parent. */
  ancestors: string[];
  /** The input was too large to keep; a note stands in its place, and the turn can be read but not replayed. */
  inputLost?: true | undefined;
  /** The new input alone, as it was asked: a text, or messages and items. */
  input: unknown;
  /** Upstream's object without `instructions`; its `id` is upstream's own. */
  response: JsonObject;
  preset: string | null;
  /** The answer has `data`. */
  wantsData: boolean;
  metadata?: Record<string, string> | undefined;
  /** Key of the exact-repeat record that holds the same answer, so that both can be deleted together. */
  answerKey?: string | undefined;
  /** Model that was asked for: prices are found by it, too. */
  model: string;
  /** Unix seconds. */
  at: number;
}

export const MAX_ANCESTORS = 100;
/** Of one record. KV takes 25 MiB, but bulk reads of a whole chain do not. */
const MAX_RECORD_BYTES = 1_048_576;
/** A data URL longer than this is replaced when the record would be too large: small icons stay. */
const LONG_DATA_CHARS = 4_096;

/** What was said, whatever it looks like: never replaced. */
const SPOKEN = new Set(["text", "output_text", "refusal", "arguments", "input", "content", "output"]);

export function turnKey(owner: string, id: string): string {
  return `turn:v1:${owner}:${id}`;
}

/** Whole if it fits; else with notes in place of its images; else of its whole input. @returns null where even that is too large. */
export function encodeTurn(turn: Turn): string | null {
  const { ancestors, ...own } = turn;
  const record = { v: 1, ...own, response: withoutInstructions(turn.response) };
  // Last, where a reader who does not need them can leave them out: of a long conversation they are the larger part.
  return (
    encodeWithin({ ...record, ancestors }) ??
    encodeWithin({
      ...record,
      inputLost: true,
      input: `[${JSON.stringify(turn.input).length} characters of input were not kept]`,
      ancestors,
    })
  );
}

/** @param skim read it without its ancestors */
export function decodeTurn(text: string | null, skim = false): Turn | null {
  const record = text === null ? undefined : parseJson(skim ? withoutAncestors(text) : text);
  if (!isRecord(record) || record["v"] !== 1 || !isRecord(record["response"]) || !hasTurnFields(record)) return null;
  const { v: _, ...turn } = record;
  const { parent, preset, ancestors } = turn;
  const sane =
    (parent === null || typeof parent === "string") &&
    (preset === null || typeof preset === "string") &&
    Array.isArray(ancestors) &&
    ancestors.every((id) => typeof id === "string");
  return sane ? (turn as unknown as Turn) : null;
}

const ANCESTORS = ',"ancestors":[';

/** The record with an empty list of them, where they are its end: ids have no brackets of any kind. */
function withoutAncestors(text: string): string {
  // The last place, looked for forwards: the list is the larger part, and backwards V8 goes through it letter by letter.
  let at = -1;
  for (let next = text.indexOf(ANCESTORS); next !== -1; next = text.indexOf(ANCESTORS, next + 1)) at = next;
  const isEnd = at !== -1 && text.endsWith("]}") && text.indexOf("}", at) === text.length - 1;
  return isEnd ? `${text.slice(0, at)},"ancestors":[]}` : text;
}

/** The part that turns and answer records share: id, what was asked and how, and when. */
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

/** What stands in a deleted turn's place until the turn's own time is over: its id stays refused, and the way past it stays open. */
export interface Tombstone {
  deleted: true;
  /** The deleted turn's. */
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

/** Ancestors of a turn that follows `parent`. */
export function ancestorsOf(parentId: string | null, parent: Turn | null): string[] {
  if (parentId === null) return [];
  return [...(parent?.ancestors ?? []), parentId].slice(-MAX_ANCESTORS);
}

/** First whole, then with a note in place of every long data URL, then not at all. */
function encodeWithin(record: JsonObject): string | null {
  const whole = JSON.stringify(record);
  if (fitsRecord(whole)) return whole;
  const shorter = JSON.stringify(record, (key, value: unknown) => {
    if (typeof value !== "string" || value.length <= LONG_DATA_CHARS || SPOKEN.has(key)) return value;
    return value.startsWith("data:") || /^[A-Za-z0-9+/=]+$/.test(value)
      ? `[${value.length} characters of data were not kept]`
      : value;
  });
  return fitsRecord(shorter) ? shorter : null;
}

/** Whether a record has at most 1 MiB. A UTF-16 unit is at most three bytes: most records need no counting. */
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
