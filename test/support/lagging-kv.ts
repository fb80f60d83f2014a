// KV as in production, unlike workerd's: a write becomes visible after a delay, and a read that found nothing is cached for a minute. The
// test sets the clock.
import type { Store } from "../../src/platform/kv.ts";

/** Cloudflare caches a read without a result like any other, for at least 60 s. */
const NEGATIVE_CACHE_MS = 60_000;

export interface LaggingKv extends Store {
  /** The number of keys of each read so far. */
  reads: number[];
  /** All texts that were written, visible or not. */
  texts: Map<string, string>;
}

/** @param lagMs until a write is visible. @param now milliseconds */
export function laggingKv(lagMs: number, now: () => number): LaggingKv {
  const written = new Map<string, { text: string; at: number }>();
  const missedAt = new Map<string, number>();
  const texts = new Map<string, string>();
  const reads: number[] = [];
  function readOne(key: string): string | null {
    const missed = missedAt.get(key);
    if (missed !== undefined && now() - missed < NEGATIVE_CACHE_MS) return null;
    const entry = written.get(key);
    if (entry !== undefined && now() - entry.at >= lagMs) return entry.text;
    missedAt.set(key, now());
    return null;
  }
  async function read(keys: readonly string[]): Promise<(string | null)[]> {
    reads.push(keys.length);
    return keys.map(readOne);
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
