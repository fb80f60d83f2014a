// Turns in KV: read as they were written, at most 1 MiB, and a miss if anything in them is invalid.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type JsonObject, parseJson } from "../../src/core/lib/json.ts";
import {
  decodeTurn,
  encodeTurn,
  fitsRecord,
  ancestorsOf,
  MAX_ANCESTORS,
  type Turn,
  turnKey,
} from "../../src/core/turns/turn.ts";

const MIB = 1_048_576;
const turn: Turn = {
  id: "resp_ue1_b",
  parent: "resp_ue1_a",
  ancestors: ["resp_ue1_a"],
  input: [{ role: "user", content: "hi" }],
  response: {
    id: "resp_1",
    status: "completed",
    output: [{ type: "message", content: [{ type: "output_text", text: "Hello" }] }],
  },
  preset: "support",
  wantsData: false,
  metadata: { a: "b" },
  model: "gpt-6-sol",
  at: 1_763_800_000,
};
const encode = (more: Partial<Turn> = {}): string => encodeTurn({ ...turn, ...more }) ?? "";

describe("encoding and decoding a turn", () => {
  test("a turn is read as it was written, except for the instructions", () => {
    expect(decodeTurn(encode())).toEqual(turn);
    const secret = encode({ response: { ...turn.response, instructions: "the hidden prompt" } });
    expect(secret).not.toContain("hidden");
    expect(decodeTurn(secret)).toEqual(turn);
    const root: Turn = { ...turn, parent: null, ancestors: [], preset: null, metadata: undefined, input: "hi" };
    expect(decodeTurn(encodeTurn(root))).toEqual({ ...root, metadata: undefined });
  });

  test("any input and response are read as written", () => {
    const json = fc.jsonValue().map((value) => parseJson(JSON.stringify(value)));
    fc.assert(
      fc.property(
        json,
        fc.dictionary(
          fc.string().filter((key) => !["instructions", "__proto__"].includes(key)),
          json,
          { noNullPrototype: true },
        ),
        (input, response) => {
          expect(decodeTurn(encode({ input, response }))).toEqual({ ...turn, input, response });
        },
      ),
    );
  });
});

test("with skipAncestors any turn is read without its ancestors, and otherwise unchanged", () => {
  const json = fc.jsonValue().map((value) => parseJson(JSON.stringify(value)));
  const Ids = fc.array(fc.stringMatching(/^resp_ue1_[\w-]{1,40}$/), { maxLength: 5 });
  fc.assert(
    fc.property(
      json,
      fc.dictionary(fc.constantFrom("ancestors", "output", "x"), json, { noNullPrototype: true }),
      Ids,
      (input, more, ancestors) => {
        const text = encode({ input, response: { ...turn.response, ...more }, ancestors });
        expect(decodeTurn(text, true)).toEqual({ ...decodeTurn(text), ancestors: [] });
      },
    ),
  );
  const lost = encode({ input: "many words ".repeat(200_000), ancestors: ["resp_ue1_a"] });
  expect(decodeTurn(lost, true)).toEqual({ ...decodeTurn(lost), ancestors: [] });
  expect(decodeTurn(lost, true)?.inputLost).toBe(true);
});

describe("an invalid record", () => {
  const record = JSON.parse(encode()) as JsonObject;
  test.each<[string, string | null]>([
    ["no record", null],
    ["an empty string", ""],
    ["half a record", encode().slice(0, 100)],
    ["a list", "[]"],
    ["null", "null"],
    ["a record of another version", JSON.stringify({ ...record, v: 2 })],
    ["a record without a version", JSON.stringify({ ...record, v: undefined })],
    ["a record with ancestors that are not ids", JSON.stringify({ ...record, ancestors: [1] })],
    ["a record with metadata values that are not strings", JSON.stringify({ ...record, metadata: { a: 1 } })],
    ["a record with a time that is not a number", JSON.stringify({ ...record, at: "now" })],
    ["a record with a parent that is not an id", JSON.stringify({ ...record, parent: 7 })],
  ])("%s is a miss", (_, text) => {
    expect(decodeTurn(text)).toBeNull();
  });

  test.each(Object.keys(turn).filter((key) => key !== "metadata"))("a record without %s is a miss", (key) => {
    expect(decodeTurn(JSON.stringify({ ...record, [key]: undefined }))).toBeNull();
  });

  test("arbitrary text, arbitrary JSON and truncated records are misses", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        expect(decodeTurn(text)).toBeNull();
      }),
    );
    const record = encode();
    for (let end = 0; end < record.length; end += 7) expect(decodeTurn(record.slice(0, end))).toBeNull();
  });
});

describe("the limit of 1 MiB", () => {
  const image = `data:image/png;base64,${"A".repeat(MIB)}`;
  const question = (...parts: JsonObject[]): Turn["input"] => [{ role: "user", content: parts }];
  const responseWith = (text: string): JsonObject => ({
    id: "resp_1",
    output: [{ type: "message", content: [{ type: "output_text", text }] }],
  });

  test("a record that fits is stored unchanged, even with large data", () => {
    const input = question({ type: "input_image", image_url: `data:image/png;base64,${"A".repeat(500_000)}` });
    expect(decodeTurn(encode({ input }))?.input).toEqual(input);
  });

  test("a larger record gets a note in place of every large data URL, and is otherwise unchanged", () => {
    const icon = `data:image/png;base64,${"A".repeat(1_000)}`;
    const parts = [
      { type: "input_text", text: "What is this?" },
      { type: "input_image", image_url: icon },
    ];
    const text = encode({ input: question(...parts, { type: "input_image", image_url: image }) });
    expect(text.length).toBeLessThan(10_000);
    const note = { type: "input_image", image_url: `[${image.length} characters of data were not stored]` };
    expect(decodeTurn(text)).toEqual({ ...turn, input: question(...parts, note) });
  });

  test("bare base64 of a file or a generated image is replaced by a note, too", () => {
    const text = encode({
      input: question({ type: "input_file", file_data: "QUJD".repeat(300_000) }),
      response: { id: "resp_1", output: [{ type: "image_generation_call", result: "QUJD".repeat(300_000) }] },
    });
    expect(text.length).toBeLessThan(10_000);
  });

  test.each([["words"], ["data:image/png;base64,"], ["QUJD"]])("an answer is never shortened: %s", (word) => {
    const longText = word.repeat(2_000);
    const text = encode({
      input: question({ type: "input_image", image_url: image }),
      response: responseWith(longText),
    });
    expect(decodeTurn(text)?.response).toEqual(responseWith(longText));
  });

  test("a tool call's arguments and a refusal are never shortened", () => {
    const response = {
      id: "resp_1",
      output: [
        { type: "function_call", arguments: "A".repeat(9_000) },
        { type: "message", content: [{ type: "refusal", refusal: "A".repeat(9_000) }] },
      ],
    };
    expect(decodeTurn(encode({ input: question({ image_url: image }), response }))?.response).toEqual(response);
  });

  test("a record that is still too large is not stored", () => {
    expect(encodeTurn({ ...turn, response: responseWith("many words ".repeat(100_000)) })).toBeNull();
    expect(
      encodeTurn({ ...turn, input: "ü".repeat(MIB), response: responseWith("many words ".repeat(MIB / 8)) }),
    ).toBeNull();
  });

  test("an input that is too large is replaced by a note, so that the turn can be stored", () => {
    expect(decodeTurn(encodeTurn({ ...turn, input: "ü".repeat(MIB / 2) }))).toMatchObject({
      id: turn.id,
      input: expect.stringMatching(/^\[\d+ characters of input were not stored\]$/) as string,
    });
  });

  test("the limit is measured in bytes", () => {
    expect(fitsRecord("x".repeat(MIB))).toBe(true);
    expect(fitsRecord("x".repeat(MIB + 1))).toBe(false);
    expect(fitsRecord("中".repeat(Math.floor(MIB / 3)))).toBe(true);
    expect(fitsRecord("中".repeat(Math.floor(MIB / 3) + 1))).toBe(false);
    expect(fitsRecord("ü".repeat(MIB / 2))).toBe(true);
    expect(fitsRecord(`${"ü".repeat(MIB / 2)}x`)).toBe(false);
  });
});

describe("ancestors and keys", () => {
  test("a root has no ancestors, and a turn in a long chain lists its last hundred", () => {
    expect(ancestorsOf(null, null)).toEqual([]);
    expect(ancestorsOf("a", null)).toEqual(["a"]);
    expect(ancestorsOf("b", { ...turn, ancestors: ["r", "a"] })).toEqual(["r", "a", "b"]);
    const ids = Array.from({ length: MAX_ANCESTORS }, (_, index) => `id${index}`);
    const next = ancestorsOf("last", { ...turn, ancestors: ids });
    expect(next).toHaveLength(100);
    expect([next[0], next.at(-1)]).toEqual(["id1", "last"]);
  });

  test("a turn's key contains version, owner and id, and is short enough for KV", () => {
    expect(turnKey("owner", "resp_ue1_x")).toBe("turn:v1:owner:resp_ue1_x");
    expect(turnKey("o".repeat(22), "r".repeat(256)).length).toBeLessThanOrEqual(512);
  });
});
