// The index of items: its keys, its records, and the items that an isolate remembers for a minute.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeItem, itemKey, itemRecords, mayBeShared } from "../../src/core/turns/indexed-item.ts";
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

test("any text is decoded to an item, to null for an item that is left out, or to undefined", () => {
  const Record = fc.record({ v: fc.constantFrom(1, 2), item: fc.jsonValue() }).map((value) => JSON.stringify(value));
  fc.assert(
    fc.property(fc.oneof(fc.string(), Record), (text) => {
      const item = decodeItem(text);
      expect(item === undefined || item === null || (typeof item === "object" && !Array.isArray(item))).toBe(true);
    }),
  );
  expect(decodeItem(null)).toBeUndefined();
});

test("a record contains the item in its portable form", () => {
  const [entry] = itemRecords(OWNER, "resp_1", { output: [message(`msg_${"1".repeat(16)}`)] });
  expect(entry?.[0]).toBe(itemKey(OWNER, `msg_${"1".repeat(16)}`));
  expect(decodeItem(entry?.[1] ?? null)).toEqual({ type: "message", role: "assistant", content: "Hi" });
});

test("an answer has at most 50 records, each of at most 1 MiB", () => {
  const many = Array.from({ length: 60 }, (_, at) => message(`msg_${"0".repeat(16)}${at}`));
  expect(itemRecords(OWNER, "resp_1", { output: many }).size).toBe(50);
  const large = message(`msg_${"1".repeat(16)}`, "x".repeat(1_100_000));
  expect(itemRecords(OWNER, "resp_1", { output: [large] }).size).toBe(0);
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
