// The KV namespace as the house uses it: text by key, several keys in one read. KV trouble never costs an answer: a read that fails
// or dawdles is a miss, a write that fails is logged.

/** Longer than KV's slowest cold read; an answer does not wait for memory. */
export const KV_READ_TIMEOUT_MS = 2_000;

export interface Store {
  /** The texts under the keys, in their order; null where there is none, or KV could not say. */
  read: (keys: readonly string[]) => Promise<(string | null)[]>;
  /** @param ttl seconds, ≥ 60 */
  remove: (key: string) => Promise<void>;
  write: (key: string, text: string, ttl: number) => Promise<void>;
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
      let timer: ReturnType<typeof setTimeout> | undefined;
      try {
        const late = new Promise<never>((_, reject) => {
          timer = setTimeout(() => reject(new Error("too slow")), KV_READ_TIMEOUT_MS);
        });
        return await Promise.race([readAll(kv, keys), late]);
      } catch (error) {
        warn("kv_read_failed", error);
        return keys.map(() => null);
      } finally {
        if (timer !== undefined) clearTimeout(timer);
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
      } catch (error) {
        warn("kv_write_failed", error);
      }
    },
  };
}

async function readAll(kv: KvBinding, keys: readonly string[]): Promise<(string | null)[]> {
  const [only] = keys;
  if (keys.length === 1 && only !== undefined) return [await kv.get(only, "text")];
  const batches: Promise<Map<string, string | null>>[] = [];
  for (let at = 0; at < keys.length; at += BULK_KEYS) batches.push(kv.get(keys.slice(at, at + BULK_KEYS), "text"));
  const found = await Promise.all(batches);
  return keys.map((key, at) => found[Math.floor(at / BULK_KEYS)]?.get(key) ?? null);
}

/** KV's own limit for one bulk read. */
const BULK_KEYS = 100;
