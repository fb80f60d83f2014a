// Data generated from a JSON Schema satisfies it. Zod, a second implementation of JSON Schema, checks that.
import { describe, expect, test } from "vitest";
import { z } from "zod";

import type { Json, JsonObject } from "../emulator/json.ts";
import { samplePattern } from "../emulator/pattern.ts";
import { sample } from "../emulator/sample.ts";

const object = (properties: JsonObject, more: JsonObject = {}): JsonObject => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...more,
});

const node = object({
  name: { type: "string" },
  left: { anyOf: [{ $ref: "#/$defs/node" }, { type: "null" }] },
  rest: { type: "array", items: { $ref: "#/$defs/node" } },
});

const SCHEMAS: Record<string, JsonObject> = {
  "scalars with bounds": object({
    text: { type: "string", minLength: 50, maxLength: 60 },
    short: { type: "string", maxLength: 3 },
    whole: { type: "integer", minimum: 7, maximum: 9 },
    below: { type: "integer", maximum: -4 },
    between: { type: "number", exclusiveMinimum: 0, exclusiveMaximum: 1 },
    fives: { type: "integer", minimum: 11, multipleOf: 5 },
    flag: { type: "boolean" },
    nothing: { type: "null" },
  }),
  "enum and const": object({
    color: { type: "string", enum: ["red", "green"] },
    kind: { const: "fixed" },
    maybe: { type: ["string", "null"] },
  }),
  "nested objects and arrays": object({
    people: {
      type: "array",
      minItems: 2,
      maxItems: 3,
      items: object({
        name: { type: "string" },
        tags: { type: "array", items: { type: "string" } },
      }),
    },
    pair: { type: "array", prefixItems: [{ type: "string" }, { type: "number" }] },
  }),
  "anyOf and oneOf take the first branch": object({
    any: { anyOf: [{ type: "integer" }, { type: "string" }] },
    one: { oneOf: [object({ a: { const: 1 } }), object({ b: { const: 2 } })] },
  }),
  "allOf merges": {
    allOf: [
      { type: "object", properties: { a: { type: "string" } }, required: ["a"] },
      { type: "object", properties: { b: { type: "integer", minimum: 5 } }, required: ["b"] },
    ],
  },
  "$ref and $defs": {
    ...object({ home: { $ref: "#/$defs/address" }, work: { $ref: "#/$defs/address" } }),
    $defs: { address: object({ zip: { type: "string", pattern: "^[0-9]{5}$" } }) },
  },
  "a recursive $ref ends": { $ref: "#/$defs/node", $defs: { node } },
  formats: object({
    day: { type: "string", format: "date" },
    at: { type: "string", format: "date-time" },
    mail: { type: "string", format: "email" },
    link: { type: "string", format: "uri" },
    id: { type: "string", format: "uuid" },
  }),
};

describe("sample()", () => {
  test.each(Object.entries(SCHEMAS))("satisfies the schema: %s", (_name, schema) => {
    const generated = sample(schema, 'You said: "hi 🙂".');
    const read = z.fromJSONSchema(schema as Parameters<typeof z.fromJSONSchema>[0]);
    expect(read.safeParse(generated)).toEqual({ success: true, data: generated });
    expect(sample(schema, 'You said: "hi 🙂".')).toEqual(generated);
    expect(JSON.stringify(generated).length).toBeLessThan(20_000);
  });

  test("generates optional properties, too, and shows the text in unconstrained strings", () => {
    const schema = { type: "object", properties: { a: { type: "string" }, b: { type: "string" } } };
    expect(sample(schema, "seen")).toEqual({ a: "seen", b: "seen" });
  });

  test("terminates for a schema that requires itself", () => {
    const endless = { $defs: { a: object({ a: { $ref: "#/$defs/a" } }) }, $ref: "#/$defs/a" };
    expect(() => sample(endless, "x")).not.toThrow();
    expect(() => sample({ $ref: "#" }, "x")).not.toThrow();
  });

  test.each<[string, Json]>([
    ["true", true],
    ["{}", {}],
  ])("returns the text for the schema %s", (_name, schema) => {
    expect(sample(schema, "x")).toBe("x");
  });

  test.each([
    "^[A-Z]{2}-\\d{4,6}$",
    "^(foo|bar)+(?:-[^a-z0-9])?$",
    "^\\+?\\d+(\\.\\d+)?$",
    "^[\\u4e00-\\u9fa5]{3}$",
    "^(?=.*x)x[\\w.-]*$",
    "^\\p{Lu}\\p{Ll}*$",
  ])("generates a string that matches %s", (pattern) => {
    expect(samplePattern(pattern, 0, 100)).toMatch(new RegExp(pattern, "u"));
  });

  test("repeats a pattern up to minLength, and returns undefined for an impossible one", () => {
    expect(samplePattern("^a*b+$", 10, 12)).toMatch(/^a*b+$/);
    expect(samplePattern("^a*b+$", 10, 12)?.length).toBeGreaterThanOrEqual(10);
    expect(samplePattern("^a{3}$", 4, 9)).toBeUndefined();
    expect(samplePattern("(", 0, 9)).toBeUndefined();
  });
});
