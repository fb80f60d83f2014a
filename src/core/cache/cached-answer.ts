// Entries of the exact-repeat cache, and the headers of a hit. An entry is the answer to one request with one parent, for one owner or for
// one preset with a shared cache. All of these are part of its key.
import { isRecord, type JsonObject, parseJson } from "../lib/json.ts";
import { fitsRecord, hasTurnFields, withoutInstructions } from "../turns/turn.ts";

export interface CachedAnswer {
  /** The answer's id, signed for `owner`. On a hit, any other owner gets its own id. */
  id: string;
  owner: string;
  input: unknown;
  response: JsonObject;
  model: string;
  wantsData: boolean;
  metadata?: Record<string, string> | undefined;
  /** Unix seconds. */
  at: number;
  /** How long KV stores it, in seconds. */
  ttl: number;
}

/**
 * Returns the KV key of an answer.
 * @param scope an owner, or `preset:NAME` for a preset with a shared cache
 * @param parent the parent's id, as the caller sent it, or null
 * @param hash the hash of the composed request
 */
export function answerKey(scope: string, parent: string | null, hash: string): string {
  return `answer:v1:${scope}:${parent ?? "root"}:${hash}`;
}

/** Serializes an entry. @returns null if it is too large, because a cached answer is never shortened */
export function encodeAnswer(record: CachedAnswer): string | null {
  const text = JSON.stringify({ v: 1, ...record, response: withoutInstructions(record.response) });
  return fitsRecord(text) ? text : null;
}

/** Parses an entry. @returns null if it is missing, corrupt or of another version */
export function decodeAnswer(text: string | null): CachedAnswer | null {
  const record = text === null ? undefined : parseJson(text);
  if (!isRecord(record) || record["v"] !== 1 || !isRecord(record["response"])) return null;
  if (!hasTurnFields(record) || typeof record["owner"] !== "string" || typeof record["ttl"] !== "number") return null;
  const { v: _, ...answer } = record;
  return answer as unknown as CachedAnswer;
}

/** Returns an entry's age in seconds; null if it is older than `maxAge` or its ttl. An entry from the future (another clock) has age 0. */
export function ageOf(record: CachedAnswer, maxAge: number, nowSeconds: number): number | null {
  const age = Math.max(0, nowSeconds - record.at);
  return age <= maxAge && age < record.ttl ? age : null;
}

/** When a cached answer was made, and how long it is fresh. */
export interface CacheEntryAge {
  /** When the answer was made, in Unix seconds. */
  at: number;
  /** How long it counts as fresh, in seconds from `at`. */
  lifetime: number;
}

/**
 * Returns `Cache-Status` (RFC 9211) and `Age` of a hit at the given time. The `ttl` of a stale answer is negative; a run may replay such an
 * answer for a day.
 */
export function hitHeaders({ at, lifetime }: CacheEntryAge, nowSeconds: number): Record<string, string> {
  // As in ageOf, an entry from the future has age 0.
  const age = Math.max(0, nowSeconds - at);
  return { "cache-status": `uniapi-edge; hit; ttl=${lifetime - age}`, age: String(age) };
}
