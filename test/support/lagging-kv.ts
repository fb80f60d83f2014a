// KV as it is in production, which workerd's is not: a write shows only after a while, and a look-up that found nothing is
// remembered for a minute where it was made. The clock is the test's.
import type { Store } from "../../src/platform/kv.ts";

/** Cloudflare: a negative look-up is cached like a positive one, for at least 60 s. */
const NEGATIVE_CACHE_MS = 60_000;

export interface LaggingKv extends Store {
  /** Reads so far, one for each round trip, with the number of keys. */
  reads: number[];
  /** What is written, seen or not. */
  texts: Map<string, string>;
}

/** @param lagMs until a write is visible. @param now milliseconds */
export function laggingKv(lagMs: number, now: () => number): LaggingKv {
  const written = new Map<string, { text: string; at: number }>();
  const missedAt = new Map<string, number>();
  const texts = new Map<string, string>();
  const reads: number[] = [];
  function look(key: string): string | null {
    const missed = missedAt.get(key);
    if (missed !== undefined && now() - missed < NEGATIVE_CACHE_MS) return null;
    const entry = written.get(key);
    if (entry !== undefined && now() - entry.at >= lagMs) return entry.text;
    missedAt.set(key, now());
    return null;
  }
  async function read(keys: readonly string[]): Promise<(string | null)[]> {
    reads.push(keys.length);
    return keys.map(look);
  }
  return {
    reads,
    texts,
    read,
    readStrict: read,
    async write(key, text) {
      written.set(key, { text, at: now() });
      texts.set(key, text);
      return true;
    },
    async remove(key) {
      written.delete(key);
      texts.delete(key);
    },
  };
}
