// The stored form of a cached answer, and its key. A record is read completely or not at all.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ageOf, answerKey, type CachedAnswer, decodeAnswer, encodeAnswer } from "../../src/core/cache/cached-answer.ts";
import type { JsonObject } from "../../src/core/lib/json.ts";

const record: CachedAnswer = {
  id: "resp_ue1_b",
  owner: "o".repeat(22),
  input: "hi",
  response: { id: "resp_1", status: "completed", output: [] },
  model: "gpt-6-sol",
  wantsData: true,
  metadata: { a: "b" },
  at: 1_763_800_000,
  ttl: 3_600,
};

describe("encoding and decoding a cached answer", () => {
  test("a record is read as it was written, except for the instructions", () => {
    expect(decodeAnswer(encodeAnswer(record))).toEqual(record);
    const text = encodeAnswer({ ...record, response: { ...record.response, instructions: "the hidden prompt" } });
    expect(text).not.toContain("hidden");
    expect(decodeAnswer(text)).toEqual(record);
  });

  test("an answer is stored unchanged, or not at all if it is larger than 1 MiB", () => {
    const image = { output: [{ type: "image_generation_call", result: "QUJD".repeat(100_000) }] };
    expect(decodeAnswer(encodeAnswer({ ...record, response: image }))?.response).toEqual(image);
    expect(encodeAnswer({ ...record, response: { output_text: "x".repeat(1_048_576) } })).toBeNull();
    expect(encodeAnswer({ ...record, input: `data:image/png;base64,${"A".repeat(1_048_576)}` })).toBeNull();
  });
});

describe("an invalid record", () => {
  const stored = JSON.parse(encodeAnswer(record) ?? "") as JsonObject;
  test.each<[string, JsonObject]>([
    ["another version", { v: 2 }],
    ["a response that is not an object", { response: [] }],
    ["a time that is not a number", { at: "now" }],
    ["a ttl that is not a number", { ttl: null }],
    ["metadata values that are not strings", { metadata: { a: 1 } }],
    ["a wantsData that is not a boolean", { wantsData: "yes" }],
  ])("a record with %s is a miss", (_, more) => {
    expect(decodeAnswer(JSON.stringify({ ...stored, ...more }))).toBeNull();
  });

  test.each(["v", ...Object.keys(record).filter((key) => key !== "metadata")])(
    "a record without %s is a miss",
    (key) => {
      expect(decodeAnswer(JSON.stringify({ ...stored, [key]: undefined }))).toBeNull();
    },
  );

  test("null, truncated records, arbitrary text and arbitrary JSON are misses", () => {
    expect(decodeAnswer(null)).toBeNull();
    const text = JSON.stringify(stored);
    for (let end = 0; end < text.length; end += 7) expect(decodeAnswer(text.slice(0, end))).toBeNull();
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(decodeAnswer(text)).toBeNull();
      }),
    );
  });
});

describe("the age of a cached answer", () => {
  test.each<[number, number, number | null]>([
    [0, 3_600, 0],
    [10, 3_600, 10],
    [3_599, 3_600, 3_599],
    [3_600, 86_400, null],
    [60, 60, 60],
    [61, 60, null],
    [0, 0, 0],
    [1, 0, null],
    [-30, 60, 0],
  ])("a record %i s old, with a maximum age of %i s, has the age %s", (seconds, maxAge, age) => {
    expect(ageOf(record, maxAge, record.at + seconds)).toBe(age);
  });
});

test("a different owner, preset, parent or request gives a different key", () => {
  const keys = [
    answerKey("owner", null, "hash"),
    answerKey("owner", "resp_ue1_a", "hash"),
    answerKey("owner", "resp_ue1_b", "hash"),
    answerKey("other", null, "hash"),
    answerKey("preset:support", null, "hash"),
    answerKey("owner", null, "hash2"),
  ];
  expect(new Set(keys).size).toBe(keys.length);
  expect(keys[0]).toBe("answer:v1:owner:root:hash");
  expect(answerKey("o".repeat(22), "r".repeat(256), "h".repeat(43)).length).toBeLessThanOrEqual(512);
});
