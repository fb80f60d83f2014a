// Bulk reads and strict reads of KV.
import { expect, test } from "vitest";
import { type KvBinding, createStore } from "../../src/platform/kv.ts";

/** A KV with values of equal size. It refuses a bulk read beyond `limit` characters as KV does. */
function limitedKv(size: number, limit: number): { kv: KvBinding; reads: number[] } {
  const reads: number[] = [];
  async function get(keys: string | string[]): Promise<string | Map<string, string>> {
    const wanted = typeof keys === "string" ? [keys] : keys;
    reads.push(wanted.length);
    if (wanted.length * size > limit)
      throw new Error("KV GET_BULK failed: 413 Total size of request exceeds the limit of 25MB");
    return typeof keys === "string" ? "x".repeat(size) : new Map(wanted.map((key) => [key, key.padEnd(size)]));
  }
  const kv: KvBinding = { get: get as KvBinding["get"], put: () => Promise.resolve(), delete: () => Promise.resolve() };
  return { kv, reads };
}

const keys = Array.from({ length: 40 }, (_, at) => `turn:${at}`);

test("a bulk read that is too large for KV is split into halves, in order", async () => {
  const { kv, reads } = limitedKv(100, 1_000);
  const texts = await createStore(kv, () => undefined).readStrict(keys);
  expect(texts.map((text) => text?.trim())).toEqual(keys);
  expect(reads[0]).toBe(40);
  expect(Math.min(...reads)).toBe(10);
});

test("a conversation that would not fit into memory is refused before all of it is read", async () => {
  const { kv, reads } = limitedKv(1_000_000, 5_000_000);
  const long = Array.from({ length: 60 }, (_, at) => `turn:${at}`);
  await expect(createStore(kv, () => undefined).readStrict(long)).rejects.toMatchObject({
    code: "conversation_too_long",
  });
  expect(reads.filter((count) => count <= 5).length).toBeLessThan(12);
});

test("a strict read that fails gives a retryable 503, never a missing key", async () => {
  const kv = {
    get: () => Promise.reject(new Error("away")),
    put: () => Promise.resolve(),
    delete: () => Promise.resolve(),
  } as unknown as KvBinding;
  const warnings: string[] = [];
  const store = createStore(kv, (event) => void warnings.push(event));
  await expect(store.readStrict(["a"])).rejects.toMatchObject({ code: "unavailable", details: { retryAfter: 5 } });
  expect(await store.read(["a", "b"])).toEqual([null, null]);
  expect(warnings).toEqual(["kv_read_failed", "kv_read_failed"]);
});
