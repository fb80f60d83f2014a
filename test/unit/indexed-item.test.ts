// The index of items: its keys, its records, and the items that an isolate remembers for a minute.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decodeItems,
  encodeItems,
  indexableItems,
  type IndexedItem,
  itemKey,
  mayBeShared,
} from "../../src/core/turns/indexed-item.ts";
import { createRecentItems } from "../../src/platform/recent-items.ts";

const OWNER = "o".repeat(22);
const message = (id: string, text = "Hi"): object => ({
  type: "message",
  id,
  role: "assistant",
  content: [{ type: "output_text", text }],
});

test("for any id, an item's key fits KV and names its owner and its id, or there is no key", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[\w.:-]{1,128}$/)), (id) => {
      const key = itemKey(OWNER, id);
      if (key === undefined) return;
      expect(key).toBe(`item:v1:${OWNER}:${id}`);
      expect(new TextEncoder().encode(key).length).toBeLessThanOrEqual(512);
    }),
  );
});

test("any text is decoded to a list of items", () => {
  const Item = fc.record({ turn: fc.oneof(fc.string(), fc.nat()), item: fc.jsonValue(), before: fc.jsonValue() });
  const Record = fc
    .record({ v: fc.constantFrom(1, 2), items: fc.oneof(fc.jsonValue(), fc.array(Item)) })
    .map((value) => JSON.stringify(value));
  fc.assert(
    fc.property(fc.oneof(fc.string(), Record), (text) => {
      for (const { turn, item } of decodeItems(text)) {
        expect(typeof turn).toBe("string");
        expect(item === null || (typeof item === "object" && !Array.isArray(item))).toBe(true);
      }
    }),
  );
  expect(decodeItems(null)).toEqual([]);
});

test("an item is indexed in its portable form, at most 50 of an answer", () => {
  const [entry] = indexableItems(OWNER, { output: [message("msg_1")] });
  expect(entry).toEqual([itemKey(OWNER, "msg_1"), { type: "message", role: "assistant", content: "Hi" }]);
  const many = Array.from({ length: 60 }, (_, at) => message(`msg_${at}`));
  expect(indexableItems(OWNER, { output: many }).size).toBe(50);
});

test("a record has the newest items with an id: at most eight, in at most 1 MiB", () => {
  const items = (count: number, chars: number): IndexedItem[] =>
    Array.from({ length: count }, (_, n) => ({ turn: `resp_${n}`, item: { content: "x".repeat(chars) } }));
  expect(decodeItems(encodeItems(items(20, 1)))).toEqual(items(8, 1));
  expect(decodeItems(encodeItems(items(5, 300_000)))).toHaveLength(3);
  expect(encodeItems(items(1, 1_100_000))).toBeNull();
});

test("only a short id may be that of items in several turns", () => {
  expect(mayBeShared(itemKey(OWNER, "msg_0") ?? "")).toBe(true);
  expect(mayBeShared(itemKey(OWNER, `msg_${"1".repeat(40)}`) ?? "")).toBe(false);
});

describe("recent items", () => {
  test("are known for a minute, unless they are deleted", () => {
    let now = 0;
    const items = createRecentItems(() => now);
    items.set("a", "1");
    items.set("b", "2");
    items.delete("b");
    now = 59_999;
    expect([items.get("a"), items.get("b")]).toEqual(["1", undefined]);
    now = 60_000;
    expect(items.get("a")).toBeUndefined();
  });

  test("take at most four million characters, and the oldest are removed first", () => {
    const items = createRecentItems(() => 0);
    for (const key of ["a", "b", "c", "d", "e"]) items.set(key, "x".repeat(1_000_000));
    expect(["a", "b", "e"].map((key) => items.get(key)?.length)).toEqual([undefined, 1_000_000, 1_000_000]);
    items.set("b", "y");
    items.set("f", "z".repeat(999_999));
    expect(items.get("c")?.length).toBe(1_000_000);
  });
});
