// The KV namespace as the house uses it: text by key, several keys in one read. KV trouble never costs an answer: a read that fails
// or dawdles is a miss, a write that fails is logged.
import { Problem, conversationTooLong } from "../core/lib/problem.ts";

/** Longer than KV's slowest cold read; an answer does not wait for memory. */
export const KV_READ_TIMEOUT_MS = 2_000;
/** For what can't go on without it: a hundred turns at once are up to KV's 25 MB. */
const KV_STRICT_READ_TIMEOUT_MS = 15_000;
/** Of one recall, in characters: a whole conversation must fit an isolate's memory beside other requests. */
const MAX_STRICT_READ_CHARS = 24_000_000;
/** KV's own limit for one bulk read. */
const BULK_KEYS = 100;

export interface Store {
  /** The texts under the keys, in their order; null where there is none, or KV could not say. */
  read: (keys: readonly string[]) => Promise<(string | null)[]>;
  /** The same for what must be known: null means that there is none. @throws Problem unavailable, conversation_too_long */
  readStrict: (keys: readonly string[]) => Promise<(string | null)[]>;
  remove: (key: string) => Promise<void>;
  /** @param ttl seconds, ≥ 60. @returns whether it was written */
  write: (key: string, text: string, ttl: number) => Promise<boolean>;
}

/** The part of a KV namespace that is used. */
export interface KvBinding {
  get(key: string, type: "text"): Promise<string | null>;
  get(keys: string[], type: "text"): Promise<Map<string, string | null>>;
  put(key: string, text: string, options: { expirationTtl: number }): Promise<void>;
  delete(key: string): Promise<void>;
}

export function kvStore(kv: KvBinding, warn: (event: string, error: unknown) => void): Store {
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
          "The memory of conversations can't be read at the moment. Send the same request again in a moment.",
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
  const room = { chars: MAX_STRICT_READ_CHARS };
  for (let at = 0; at < keys.length; at += BULK_KEYS) batches.push(readBatch(kv, keys.slice(at, at + BULK_KEYS), room));
  return (await Promise.all(batches)).flat();
}

/** One bulk read, by halves where it is more than KV gives at once. */
async function readBatch(kv: KvBinding, keys: string[], room: { chars: number }): Promise<(string | null)[]> {
  let found: Map<string, string | null>;
  try {
    found = await kv.get(keys, "text");
  } catch (error) {
    if (keys.length < 2 || !/413|too large|exceed/i.test(String(error))) throw error;
    const half = Math.ceil(keys.length / 2);
    return [...(await readBatch(kv, keys.slice(0, half), room)), ...(await readBatch(kv, keys.slice(half), room))];
  }
  const texts = keys.map((key) => found.get(key) ?? null);
  for (const text of texts) room.chars -= text?.length ?? 0;
  if (room.chars < 0) throw conversationTooLong();
  return texts;
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("too slow")), ms);
  });
  return await Promise.race([work, late]).finally(() => timer !== undefined && clearTimeout(timer));
}
