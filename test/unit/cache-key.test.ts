// From a request to the canonical JSON of the cache key: two requests share it if and only if they compose the same upstream body.
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compose, type Composed } from "../../src/core/request/compose.ts";
import { defineConfig } from "../../src/core/config/define-config.ts";
import { isRecord, JSON_LIMITS, type JsonObject, recordsOf, canonicalJson } from "../../src/core/lib/json.ts";
import { readAsk } from "../../src/core/request/read-ask.ts";
const config = defineConfig({
  defaults: { model: "base", temperature: 1 },
  presets: {
    plain: {},
    short: { instructions: "Be short.", reasoning: { effort: "low" } },
    terse: { text: { verbosity: "low" } },
  },
  limits: { max_output_tokens: 1_000 },
});

const schema = { type: "object", properties: { a: { type: "string" }, b: { type: "string" } } };
const schemaReordered = { type: "object", properties: { b: { type: "string" }, a: { type: "string" } } };
const format = { type: "json_schema", name: "answer", schema, strict: true };
const image = "https://images.example/a.png";
const part = { type: "input_text", text: "hi" };

/** Few values per field, some of them equivalent, so that both outcomes are frequent; undefined: absent. */
const FIELDS: Record<string, readonly unknown[]> = {
  input: [
    "hi",
    "ho",
    [{ role: "user", content: "hi" }],
    [{ content: "hi", role: "user" }],
    [{ role: "user", content: [part] }],
    [{ role: "user", content: [part, { image_url: image, type: "input_image" }] }],
  ],
  images: [undefined, undefined, null, [], [image], [image, image]],
  preset: [undefined, null, "plain", "short", "terse"],
  model: [undefined, null, "base", "other"],
  instructions: [undefined, null, "Be short.", "Be kind.", ""],
  temperature: [undefined, null, 1, 0],
  max_output_tokens: [undefined, null, 10, 1_000, 2_000],
  reasoning: [
    undefined,
    null,
    "low",
    { effort: "low" },
    { effort: "low", summary: "auto" },
    { summary: "auto", effort: "low" },
  ],
  schema: [
    undefined,
    undefined,
    null,
    schema,
    schemaReordered,
    { ...schema, title: "answer" },
    { ...schema, title: "other" },
  ],
  text: [
    undefined,
    null,
    {},
    { verbosity: "low" },
    { format },
    { format: { strict: true, schema, name: "answer", type: "json_schema" } },
    { format: { ...format, schema: schemaReordered } },
    { format, verbosity: "low" },
  ],
  tools: [
    undefined,
    null,
    [],
    [{ type: "function", name: "f", parameters: schema }],
    [{ parameters: schema, name: "f", type: "function" }],
    [{ type: "function", name: "f", parameters: schemaReordered }],
  ],
  metadata: [undefined, null, { a: "1", b: "2" }, { b: "2", a: "1" }, { a: "1" }],
  store: [undefined, null, false, true],
  // Not part of the composed body.
  cache: [undefined, null, false, "refresh", 60],
  previous_response_id: [undefined, null, "resp_1"],
};
const names = Object.keys(FIELDS);

type Fields = Record<string, unknown>;
const fields: fc.Arbitrary<Fields> = fc.record(
  Object.fromEntries(names.map((name) => [name, fc.constantFrom(...(FIELDS[name] ?? []))])),
);
/** Two requests that differ in up to three fields. */
const pairs = fc
  .tuple(fields, fields, fc.subarray(names, { maxLength: 3 }))
  .map(
    ([one, other, changed]) =>
      [one, { ...one, ...Object.fromEntries(changed.map((name) => [name, other[name]])) }] as const,
  )
  .filter((pair) => !pair.some(hasTwoFormats));

/** The form of a request: the order of its fields, white space, and `stream` and `preset` in the body or the query. */
const writings = fc.record({
  reordered: fc.boolean(),
  space: fc.constantFrom("", "  "),
  stream: fc.constantFrom(undefined, null, true, false),
  streamInQuery: fc.constantFrom(undefined, "", "true", "0"),
  presetInQuery: fc.boolean(),
});
type Writing = typeof writings extends fc.Arbitrary<infer One> ? One : never;

const PLAIN: Writing = {
  reordered: false,
  space: "",
  stream: undefined,
  streamInQuery: undefined,
  presetInQuery: false,
};

/** `compose` refuses `schema` beside `text.format`. */
function hasTwoFormats({ schema, text }: Fields): boolean {
  return isRecord(schema) && isRecord(text) && isRecord(text["format"]);
}

function composeWritten(ask: Fields, { reordered, space, stream, streamInQuery, presetInQuery }: Writing): Composed {
  const query = new URLSearchParams();
  const body: Fields = { ...ask, ...(streamInQuery === undefined ? { stream } : {}) };
  if (streamInQuery !== undefined) query.set("stream", streamInQuery);
  if (presetInQuery && typeof ask["preset"] === "string") {
    query.set("preset", ask["preset"]);
    delete body["preset"];
  }
  const entries = Object.entries(body);
  const text = JSON.stringify(Object.fromEntries(reordered ? entries.toReversed() : entries), null, space);
  return compose(readAsk(text, "application/json", query, JSON_LIMITS.server), config);
}

/** The body after a round trip through JSON. */
const asSent = (body: JsonObject): JsonObject => JSON.parse(JSON.stringify(body)) as JsonObject;

/** Equal apart from the order of keys, which matters in a schema and in a tool's parameters only. */
function isSame(one: JsonObject, other: JsonObject): boolean {
  const ordered = ({ text, tools }: JsonObject): string => {
    const format = isRecord(text) ? text["format"] : undefined;
    return JSON.stringify([
      isRecord(format) ? format["schema"] : null,
      recordsOf(tools).map(({ parameters }) => parameters),
    ]);
  };
  return isDeepStrictEqual(one, other) && ordered(one) === ordered(other);
}

describe("two requests share their canonical JSON", () => {
  test("if and only if they compose the same upstream body", () => {
    const outcomes = { same: 0, different: 0 };
    fc.assert(
      fc.property(pairs, writings, writings, ([one, other], writing, rewriting) => {
        const [first, second] = [composeWritten(one, writing).body, composeWritten(other, rewriting).body];
        const same = isSame(asSent(first), asSent(second));
        outcomes[same ? "same" : "different"] += 1;
        expect(canonicalJson(first) === canonicalJson(second)).toBe(same);
      }),
      { numRuns: 1_000 },
    );
    expect(Math.min(outcomes.same, outcomes.different)).toBeGreaterThan(100);
  });

  test("regardless of `stream`, field order, white space and the query", () => {
    fc.assert(
      fc.property(pairs, writings, ([ask], writing) => {
        const { body } = composeWritten(ask, writing);
        expect(Object.hasOwn(body, "stream")).toBe(false);
        expect(canonicalJson(body)).toBe(canonicalJson(composeWritten(ask, PLAIN).body));
      }),
    );
  });

  const same: [string, Fields, Fields][] = [
    ["a preset and its fields", { preset: "short" }, { instructions: "Be short.", reasoning: { effort: "low" } }],
    ["reasoning as a word and as an object", { reasoning: "low" }, { reasoning: { effort: "low" } }],
    ["a schema and its format", { schema }, { text: { format } }],
    [
      "a schema with a preset's verbosity, and the equivalent `text`",
      { schema, preset: "terse" },
      { text: { verbosity: "low", format } },
    ],
    [
      "images and their parts",
      { images: [image] },
      { input: [{ role: "user", content: [part, { type: "input_image", image_url: image }] }] },
    ],
    ["null and an absent field", { instructions: null, temperature: null }, {}],
    ["a default and its value", { temperature: 1, model: "base" }, {}],
    ["two numbers above the cap", { max_output_tokens: 2_000 }, { max_output_tokens: 3_000 }],
  ];
  test.each(same)("if they differ only in form: %s", (_, one, other) => {
    const text = (ask: Fields): string => canonicalJson(composeWritten({ input: "hi", ...ask }, PLAIN).body);
    expect(text(one)).toBe(text(other));
  });
});
