// From what a caller sends to the text that the cache's key is made of: two asks share it exactly when upstream would be sent the
// same, however they are written.
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compose, type Composed } from "../../src/core/request/compose.ts";
import { defineConfig } from "../../src/core/config/define-config.ts";
import { isRecord, type JsonObject, partsOf } from "../../src/core/lib/json.ts";
import { readAsk } from "../../src/core/request/read-ask.ts";
import { canonical } from "../../src/core/lib/canonical.ts";

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
const schemaTurned = { type: "object", properties: { b: { type: "string" }, a: { type: "string" } } };
const format = { type: "json_schema", name: "answer", schema, strict: true };
const image = "https://images.example/a.png";
const part = { type: "input_text", text: "hi" };

/** Few values a field, with several ways to write the same among them, so that both outcomes are frequent; undefined: left out. */
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
    schemaTurned,
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
    { format: { ...format, schema: schemaTurned } },
    { format, verbosity: "low" },
  ],
  tools: [
    undefined,
    null,
    [],
    [{ type: "function", name: "f", parameters: schema }],
    [{ parameters: schema, name: "f", type: "function" }],
    [{ type: "function", name: "f", parameters: schemaTurned }],
  ],
  metadata: [undefined, null, { a: "1", b: "2" }, { b: "2", a: "1" }, { a: "1" }],
  store: [undefined, null, false, true],
  // Not upstream's to see, or seen beside the body.
  cache: [undefined, null, false, "refresh", 60],
  previous_response_id: [undefined, null, "resp_1"],
};
const names = Object.keys(FIELDS);

type Fields = Record<string, unknown>;
const fields: fc.Arbitrary<Fields> = fc.record(
  Object.fromEntries(names.map((name) => [name, fc.constantFrom(...(FIELDS[name] ?? []))])),
);
/** Two asks that differ in how up to three of their fields are written. */
const pairs = fc
  .tuple(fields, fields, fc.subarray(names, { maxLength: 3 }))
  .map(
    ([one, other, changed]) =>
      [one, { ...one, ...Object.fromEntries(changed.map((name) => [name, other[name]])) }] as const,
  )
  .filter((pair) => !pair.some(saysTheFormatTwice));

/** How it is sent: the order of the fields, white space, and where `stream` and `preset` stand. */
const writings = fc.record({
  turned: fc.boolean(),
  space: fc.constantFrom("", "  "),
  stream: fc.constantFrom(undefined, null, true, false),
  streamInQuery: fc.constantFrom(undefined, "", "true", "0"),
  presetInQuery: fc.boolean(),
});
type Writing = typeof writings extends fc.Arbitrary<infer One> ? One : never;

const PLAIN: Writing = { turned: false, space: "", stream: undefined, streamInQuery: undefined, presetInQuery: false };

/** What readAsk refuses: `schema` beside a format of `text`. */
function saysTheFormatTwice({ schema, text }: Fields): boolean {
  return isRecord(schema) && isRecord(text) && isRecord(text["format"]);
}

function composed(ask: Fields, { turned, space, stream, streamInQuery, presetInQuery }: Writing): Composed {
  const query = new URLSearchParams();
  const body: Fields = { ...ask, ...(streamInQuery === undefined ? { stream } : {}) };
  if (streamInQuery !== undefined) query.set("stream", streamInQuery);
  if (presetInQuery && typeof ask["preset"] === "string") {
    query.set("preset", ask["preset"]);
    delete body["preset"];
  }
  const entries = Object.entries(body);
  const text = JSON.stringify(Object.fromEntries(turned ? entries.toReversed() : entries), null, space);
  return compose(readAsk(text, "application/json", query), config);
}

/** What upstream reads. */
const sent = (body: JsonObject): JsonObject => JSON.parse(JSON.stringify(body)) as JsonObject;

/** Equal but for the order of keys, which counts in a schema and in a tool's parameters. */
function isSame(one: JsonObject, other: JsonObject): boolean {
  const ordered = ({ text, tools }: JsonObject): string => {
    const format = isRecord(text) ? text["format"] : undefined;
    return JSON.stringify([
      isRecord(format) ? format["schema"] : null,
      partsOf(tools).map(({ parameters }) => parameters),
    ]);
  };
  return isDeepStrictEqual(one, other) && ordered(one) === ordered(other);
}

describe("two asks share the canonical text", () => {
  test("if and only if upstream would be sent the same body, and both happen", () => {
    const outcomes = { same: 0, different: 0 };
    fc.assert(
      fc.property(pairs, writings, writings, ([one, other], writing, rewriting) => {
        const [first, second] = [composed(one, writing).body, composed(other, rewriting).body];
        const same = isSame(sent(first), sent(second));
        outcomes[same ? "same" : "different"] += 1;
        expect(canonical(first) === canonical(second)).toBe(same);
      }),
      { numRuns: 1_000 },
    );
    expect(Math.min(outcomes.same, outcomes.different)).toBeGreaterThan(100);
  });

  test("however they are written: `stream`, the order of fields, white space and the query never matter", () => {
    fc.assert(
      fc.property(pairs, writings, ([ask], writing) => {
        const { body } = composed(ask, writing);
        expect(Object.hasOwn(body, "stream")).toBe(false);
        expect(canonical(body)).toBe(canonical(composed(ask, PLAIN).body));
      }),
    );
  });

  const same: [string, Fields, Fields][] = [
    ["a preset and its fields", { preset: "short" }, { instructions: "Be short.", reasoning: { effort: "low" } }],
    ["reasoning as a word and as an object", { reasoning: "low" }, { reasoning: { effort: "low" } }],
    ["a schema and its format", { schema }, { text: { format } }],
    [
      "a schema under a preset's verbosity, and all of it",
      { schema, preset: "terse" },
      { text: { verbosity: "low", format } },
    ],
    [
      "images and their parts",
      { images: [image] },
      { input: [{ role: "user", content: [part, { type: "input_image", image_url: image }] }] },
    ],
    ["null and nothing", { instructions: null, temperature: null }, {}],
    ["a default and its value", { temperature: 1, model: "base" }, {}],
    ["two numbers above the cap", { max_output_tokens: 2_000 }, { max_output_tokens: 3_000 }],
  ];
  test.each(same)("%s", (_, one, other) => {
    const text = (ask: Fields): string => canonical(composed({ input: "hi", ...ask }, PLAIN).body);
    expect(text(one)).toBe(text(other));
  });
});
