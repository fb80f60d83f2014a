// Checking fields one by one gives the same result as checking the complete schema.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type * as z from "zod/mini";
import type { JsonObject } from "../../src/core/lib/json.ts";
import { jsonFieldsParser, fieldProblem } from "../../src/core/lib/parse-fields.ts";
import { Problem } from "../../src/core/lib/problem.ts";
import { Ask, ResponsesRequest } from "../../src/contract/ask.ts";

const json = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown);
/** Values that are valid for some fields and invalid for others. */
const likely = fc.constantFrom<unknown>(
  "text",
  "",
  7,
  -1,
  0.5,
  true,
  false,
  null,
  undefined,
  "refresh",
  [],
  ["a"],
  [{ type: "function" }],
  [{ role: "user", content: "hi" }],
  {},
  { format: { type: "text" } },
  { format: "text" },
  { key: "value" },
);

/** The result of the complete schema, or the Problem of its first issue. */
function resultOfSchema(schema: z.ZodMiniObject, fields: JsonObject): unknown {
  const parsed = schema.safeParse(fields);
  if (parsed.success) return parsed.data;
  const { message, details } = fieldProblem(parsed.error.issues[0], fields);
  return { message, param: details.param };
}

function resultByField(parse: (fields: JsonObject) => unknown, fields: JsonObject): unknown {
  try {
    return parse(fields);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { message: error.message, param: error.details.param };
  }
}

describe.each([
  ["/ask", Ask],
  ["/v1/responses", ResponsesRequest],
] as const)("the body of %s", (_, schema: z.ZodMiniObject) => {
  const parse = jsonFieldsParser(schema);
  const names = fc.constantFrom(...Object.keys(schema.def.shape), "unknown_field", "toString");

  const Fields = fc.dictionary(names, fc.oneof(likely, json), { noNullPrototype: true, maxKeys: 4 });

  test("gives the same result field by field as with the complete schema, including errors", () => {
    let valid = 0;
    fc.assert(
      fc.property(Fields, fc.constantFrom({}, { input: "hi" }), (some, input) => {
        const fields = { ...input, ...some };
        const expected = resultOfSchema(schema, fields);
        if (schema.safeParse(fields).success) valid += 1;
        expect(resultByField(parse, fields)).toStrictEqual(expected);
      }),
      { numRuns: 3_000 },
    );
    expect(valid).toBeGreaterThan(100);
  });

  test("gives the same result for each field with each likely value", () => {
    for (const name of Object.keys(schema.def.shape)) {
      for (const value of fc.sample(likely, 60)) {
        const fields = { input: "hi", [name]: value };
        expect(resultByField(parse, fields)).toStrictEqual(resultOfSchema(schema, fields));
      }
    }
  });

  test("returns a new object", () => {
    const fields = { input: "hi" };
    expect(parse(fields)).not.toBe(fields);
  });
});
