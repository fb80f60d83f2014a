// An answer kept for an exact repeat: same owner (or same shared preset), same parent, same request. The key names all of it.
import { isRecord, type JsonObject, parseJson } from "../lib/json.ts";
import { fitsRecord, hasTurnFields, withoutInstructions } from "../turns/turn.ts";

export interface CachedAnswer {
  /** The id that its first reader got, and whose that is; another owner gets one of his own. */
  id: string;
  owner: string;
  input: unknown;
  response: JsonObject;
  model: string;
  wantsData: boolean;
  metadata?: Record<string, string> | undefined;
  /** Unix seconds. */
  at: number;
  /** Seconds that KV keeps it. */
  ttl: number;
}

/**
 * @param scope an owner, or `preset:NAME` for a preset with a shared cache
 * @param parent the caller's id of the turn before, or null
 */
export function answerKey(scope: string, parent: string | null, hash: string): string {
  return `answer:v1:${scope}:${parent ?? "root"}:${hash}`;
}

/** @returns null where it is too large: an answer is repeated exactly or not at all. */
export function encodeAnswer(record: CachedAnswer): string | null {
  const text = JSON.stringify({ v: 1, ...record, response: withoutInstructions(record.response) });
  return fitsRecord(text) ? text : null;
}

/** @returns null for what is absent, corrupt, of another version or not from this world. */
export function decodeAnswer(text: string | null): CachedAnswer | null {
  const record = text === null ? undefined : parseJson(text);
  if (!isRecord(record) || record["v"] !== 1 || !isRecord(record["response"])) return null;
  if (!hasTurnFields(record) || typeof record["owner"] !== "string" || typeof record["ttl"] !== "number") return null;
  const { v: _, ...answer } = record;
  return answer as unknown as CachedAnswer;
}

/** Seconds since the record was made, if that is within `maxAge`; null where it is too old. A clock that ran ahead is age 0. */
export function ageOf(record: CachedAnswer, maxAge: number, nowSeconds: number): number | null {
  const age = Math.max(0, nowSeconds - record.at);
  return age <= maxAge && age < record.ttl ? age : null;
}

export interface CacheEntryAge {
  /** Unix seconds: when it was answered. */
  at: number;
  /** Seconds from then on for which it is fresh to whoever asks. */
  lifetime: number;
}

export function hitHeaders({ at, lifetime }: CacheEntryAge, nowSeconds: number): Record<string, string> {
  // A clock that ran ahead is age 0, as in answer-record.ts.
  const age = Math.max(0, nowSeconds - at);
  return { "cache-status": `uniapi-edge; hit; ttl=${lifetime - age}`, age: String(age) };
}
