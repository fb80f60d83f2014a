// Strings in the KV namespace. One call can read several keys. Only readStrict throws if KV fails. Any other read that fails or takes too
// long counts as a miss, and a failed write or deletion is only logged, so that KV's failure does not cost an answer.
import { Problem, conversationTooLong } from "../core/lib/problem.ts";
import { within } from "./io/within.ts";

/** Longer than KV's slowest cold read. A request waits at most this long for a cached answer or the record of a model's chain support. */
export const KV_READ_TIMEOUT_MS = 2_000;
/** For reads that the answer depends on. Longer, because a chain of a hundred turns can reach KV's limit of 25 MB. */
const KV_STRICT_READ_TIMEOUT_MS = 15_000;
/** For all strings of one bulk read together, because a whole conversation must fit into an isolate's memory beside other requests. */
const MAX_STRICT_READ_CHARS = 24_000_000;
/** KV's limit on the keys of one bulk read. */
const BULK_KEYS = 100;

export interface Store {
  /** Reads the strings under the keys, in the order of the keys; null for a key without a value, and for every key if the read fails. */
  read: (keys: readonly string[]) => Promise<(string | null)[]>;
  /**
   * Does the same as `read`, but throws if the read fails.
   * @throws Problem 503 unavailable if KV fails or takes too long; 400 conversation_too_long if the strings are too long together
   */
  readStrict: (keys: readonly string[]) => Promise<(string | null)[]>;
  remove: (key: string) => Promise<void>;
  /** @param ttl seconds, at least 60. @returns false if KV failed */
  write: (key: string, text: string, ttl: number) => Promise<boolean>;
}

/** The part of a KV namespace that is used. */
export interface KvBinding {
  get(key: string, type: "text"): Promise<string | null>;
  get(keys: string[], type: "text"): Promise<Map<string, string | null>>;
  put(key: string, text: string, options: { expirationTtl: number }): Promise<void>;
  delete(key: string): Promise<void>;
}

export function createStore(kv: KvBinding, warn: (event: string, error: unknown) => void): Store {
  return {
    async read(keys) {
      try {
        return await within(KV_READ_TIMEOUT_MS, readAll(kv, keys));
      } catch (error) {
        warn("kv_read_failed", error);
        return keys.map(() => null);
      }
    },
    async readStrict(keys) {
      try {
        return await within(KV_STRICT_READ_TIMEOUT_MS, readAll(kv, keys));
      } catch (error) {
        if (error instanceof Problem) throw error;
        warn("kv_read_failed", error);
        throw new Problem(
          "unavailable",
          "Stored conversations can't be read at the moment. Send the same request again in a moment.",
          { retryAfter: 5 },
        );
      }
    },
    async remove(key) {
      try {
        await kv.delete(key);
      } catch (error) {
        warn("kv_delete_failed", error);
      }
    },
    async write(key, text, ttl) {
      try {
        await kv.put(key, text, { expirationTtl: ttl });
        return true;
      } catch (error) {
        warn("kv_write_failed", error);
        return false;
      }
    },
  };
}

async function readAll(kv: KvBinding, keys: readonly string[]): Promise<(string | null)[]> {
  const [only] = keys;
  if (keys.length === 1 && only !== undefined) return [await kv.get(only, "text")];
  const batches: Promise<(string | null)[]>[] = [];
  const remaining = { chars: MAX_STRICT_READ_CHARS };
  for (let at = 0; at < keys.length; at += BULK_KEYS)
    batches.push(readBatch(kv, keys.slice(at, at + BULK_KEYS), remaining));
  return (await Promise.all(batches)).flat();
}

/** Makes one bulk read, or two of half the size if KV refuses it as too large. @throws Problem conversation_too_long */
async function readBatch(kv: KvBinding, keys: string[], remaining: { chars: number }): Promise<(string | null)[]> {
  let values: Map<string, string | null>;
  try {
    values = await kv.get(keys, "text");
  } catch (error) {
    if (keys.length < 2 || !/413|too large|exceed/i.test(String(error))) throw error;
    const half = Math.ceil(keys.length / 2);
    const first = await readBatch(kv, keys.slice(0, half), remaining);
    return [...first, ...(await readBatch(kv, keys.slice(half), remaining))];
  }
  const texts = keys.map((key) => values.get(key) ?? null);
  for (const text of texts) remaining.chars -= text?.length ?? 0;
  if (remaining.chars < 0) throw conversationTooLong();
  return texts;
}
