// Fields judged one by one are judged as the whole schema judges them.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type * as z from "zod/mini";
import type { JsonObject } from "../../src/core/lib/json.ts";
import { jsonFieldsParser, fieldProblem } from "../../src/core/lib/parse-fields.ts";
import { Problem } from "../../src/core/lib/problem.ts";
import { Ask, ResponsesRequest } from "../../src/contract/ask.ts";

const json = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown);
/** Values that some field takes, and that others don't. */
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

/** What the whole schema says, or the Problem that comes of it. */
function whole(schema: z.ZodMiniObject, fields: JsonObject): unknown {
  const parsed = schema.safeParse(fields);
  if (parsed.success) return parsed.data;
  const { message, details } = fieldProblem(parsed.error.issues[0]);
  return { message, param: details.param };
}

function piecemeal(parse: (fields: JsonObject) => unknown, fields: JsonObject): unknown {
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
  const names = fc.constantFrom(...Object.keys(schema.def.shape), "unheard_of", "toString");

  const Fields = fc.dictionary(names, fc.oneof(likely, json), { noNullPrototype: true, maxKeys: 4 });

  test("is judged field by field as by the whole schema, its errors included", () => {
    let fine = 0;
    fc.assert(
      fc.property(Fields, fc.constantFrom({}, { input: "hi" }), (some, input) => {
        const fields = { ...input, ...some };
        const expected = whole(schema, fields);
        if (schema.safeParse(fields).success) fine += 1;
        expect(piecemeal(parse, fields)).toStrictEqual(expected);
      }),
      { numRuns: 3_000 },
    );
    expect(fine).toBeGreaterThan(100);
  });

  test("each field by itself, with each value that is likely", () => {
    for (const name of Object.keys(schema.def.shape)) {
      for (const value of fc.sample(likely, 60)) {
        const fields = { input: "hi", [name]: value };
        expect(piecemeal(parse, fields)).toStrictEqual(whole(schema, fields));
      }
    }
  });

  test("comes back in an object of its own", () => {
    const fields = { input: "hi" };
    expect(parse(fields)).not.toBe(fields);
  });
});
