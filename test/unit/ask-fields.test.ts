// Every field of /ask: accepted in the shapes of the Responses API, and refused by name if it is wrong, unknown or dangerous.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { assertSafeJson, JSON_LIMITS, MAX_JSON_DEPTH } from "../../src/core/lib/json.ts";
import { Problem } from "../../src/core/lib/problem.ts";
import { parseAsk, readAsk } from "../../src/core/request/read-ask.ts";
import { UPSTREAM_FIELDS } from "../../src/contract/request-fields.ts";
import { FIELD_VALUES } from "../support/field-values.ts";

function problemOf(fields: Record<string, unknown>): Problem {
  try {
    parseAsk({ input: "hi", ...fields });
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(fields)}`);
}
const refusalOf = (text: string): string => {
  try {
    readAsk(text, "application/json", new URLSearchParams(), JSON_LIMITS.server);
  } catch (error) {
    if (error instanceof Problem) return `${error.code} ${error.status}`;
    throw error;
  }
  return "accepted";
};

/** The example on UniAPI's page. */
const UNIAPI_EXAMPLE = {
  metadata: { property1: "string", property2: "string" },
  temperature: 1,
  top_p: 1,
  user: "user-1234",
  service_tier: "auto",
  previous_response_id: "string",
  model: "string",
  reasoning: { effort: "medium", summary: "auto", generate_summary: "auto" },
  max_output_tokens: 16,
  instructions: "string",
  text: { format: { type: "text" } },
  tools: [
    {
      type: "file_search",
      vector_store_ids: ["string"],
      max_num_results: 0,
      ranking_options: { ranker: "auto", score_threshold: 0 },
      filters: { type: "eq", key: "string", value: "string" },
    },
  ],
  tool_choice: "none",
  truncation: "disabled",
  input: "string",
  include: ["file_search_call.results"],
  parallel_tool_calls: true,
  store: true,
  stream: false,
};

describe("fields that are accepted", () => {
  test("UniAPI's own example with all 19 fields is accepted unchanged", () => {
    expect(Object.keys(UNIAPI_EXAMPLE)).toHaveLength(19);
    expect(parseAsk({ ...UNIAPI_EXAMPLE })).toEqual(UNIAPI_EXAMPLE);
  });

  test.each(Object.entries(FIELD_VALUES))("%s is accepted with each sample value", (name, values) => {
    for (const value of values)
      expect(parseAsk({ input: "hi", [name]: value })).toEqual({ input: "hi", [name]: value });
  });

  test.each(["docs/api.md", "docs/configuration.md"])("%s names every upstream field", (page) => {
    const text = readFileSync(page, "utf8");
    expect(Object.keys(UPSTREAM_FIELDS).filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });

  test.each<[string, unknown]>([
    ["reasoning", "low"],
    ["reasoning", { effort: "of tomorrow" }],
    ["tool_choice", { type: "function", name: "f" }],
    ["service_tier", "a tier of tomorrow"],
    ["schema", { type: "object", properties: { a: { type: "string" } } }],
    ["images", ["https://example.com/a.png"]],
    ["cache", false],
    ["cache", "refresh"],
    ["cache", 0],
    ["tools", []],
    ["text", { verbosity: "low" }],
    ["text", { format: null }],
    ["input", [{ type: "item of tomorrow", anything: [{}] }]],
    ["input", [{ role: "user", content: [{ type: "input_text", text: "hi" }] }]],
  ])("%s: %j is accepted", (name, value) => {
    expect(parseAsk({ input: "hi", [name]: value })[name as "input"]).toEqual(value);
  });
});

describe("fields that are refused", () => {
  test.each<[Record<string, unknown>, string, string]>([
    [{ inptu: 1 }, "unknown_parameter", "inptu"],
    [{ constructor: 1 }, "unknown_parameter", "constructor"],
    [{ messages: [] }, "unknown_parameter", "messages"],
    [{ background: false }, "unknown_parameter", "background"],
    [{ background: true }, "unknown_parameter", "background"],
    [{ conversation: "conv_1" }, "unknown_parameter", "conversation"],
    [{ prompt: { id: "pmpt_1" } }, "unknown_parameter", "prompt"],
    [{ temperature: "hot" }, "invalid_request", "temperature"],
    [{ max_output_tokens: 1.5 }, "invalid_request", "max_output_tokens"],
    [{ max_output_tokens: 0 }, "invalid_request", "max_output_tokens"],
    [{ stream: "true" }, "invalid_request", "stream"],
    [{ model: "" }, "invalid_request", "model"],
    [{ model: "m".repeat(257) }, "invalid_request", "model"],
    [{ metadata: { a: 1 } }, "invalid_request", "metadata.a"],
    [{ tools: [{ name: "f" }] }, "invalid_request", "tools[0].type"],
    [{ tools: {} }, "invalid_request", "tools"],
    [{ text: { format: { schema: {} } } }, "invalid_request", "text.format.type"],
    [{ include: [1] }, "invalid_request", "include[0]"],
    [{ images: "https://example.com/a.png" }, "invalid_request", "images"],
    [{ cache: true }, "invalid_request", "cache"],
    [{ cache: -1 }, "invalid_request", "cache"],
    [{ cache: 1.5 }, "invalid_request", "cache"],
    [{ cache: "no" }, "invalid_request", "cache"],
    [{ previous_response_id: "" }, "invalid_request", "previous_response_id"],
    [{ previous_response_id: 7 }, "invalid_request", "previous_response_id"],
    [{ schema: "object" }, "invalid_request", "schema"],
    [{ input: [1] }, "invalid_request", "input"],
  ])("%j is refused as %s with the param %s", (fields, code, param) => {
    const problem = problemOf(fields);
    expect([problem.code, problem.details.param, problem.status]).toEqual([code, param, 400]);
    expect(problem.message).toContain(`\`${param}\``);
  });

  test("a long field name is truncated in the error", () => {
    const problem = problemOf({ ["x".repeat(5_000)]: 1 });
    expect(problem.details.param).toHaveLength(120);
    expect(problem.message.length).toBeLessThan(300);
  });
});

test("the refusal of `prompt` suggests `input`", () => {
  expect(problemOf({ prompt: "hi" }).message).toBe(
    "`prompt` is not supported here: put the question in `input`, and the text of a stored prompt in `instructions` or a preset.",
  );
});

describe("nesting", () => {
  const nestedArrays = (levels: number): string => `{"input":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;
  const nestedObjects = (levels: number): string =>
    `{"input":"a","metadata":${'{"a":'.repeat(levels - 2)}{}${"}".repeat(levels - 2)}}`;

  test("128 levels of nesting are accepted, 129 are too deep", () => {
    expect(MAX_JSON_DEPTH).toBe(128);
    expect(() => assertSafeJson(JSON.parse(nestedArrays(128)), JSON_LIMITS.server)).not.toThrow();
    expect(refusalOf(nestedArrays(129))).toBe("input_too_deep 400");
    expect(refusalOf(nestedObjects(129))).toBe("input_too_deep 400");
    expect(refusalOf(nestedObjects(128))).toBe("invalid_request 400");
    const schema = (levels: number): string =>
      `{"input":"a","schema":${'{"a":'.repeat(levels - 2)}{}${"}".repeat(levels - 2)}}`;
    expect(refusalOf(schema(128))).toBe("accepted");
    expect(refusalOf(schema(129))).toBe("input_too_deep 400");
  });

  test("200,000 levels of nesting are refused without a stack overflow", () => {
    expect(refusalOf(nestedArrays(200_000))).toBe("input_too_deep 400");
    expect(refusalOf(nestedObjects(200_000))).toBe("input_too_deep 400");
  });

  test("nesting and __proto__ are also checked in JSON without its content type and in a form's fields", () => {
    const as = (text: string, type: string) => () => readAsk(text, type, new URLSearchParams(), JSON_LIMITS.server);
    expect(as(nestedArrays(129), "text/plain")).toThrow(/nested deeper/);
    expect(as('{"input":"a","__proto__":1}', "text/plain")).toThrow(/__proto__/);
    expect(as(`input=a&schema=${"[".repeat(130)}${"]".repeat(130)}`, "application/x-www-form-urlencoded")).toThrow(
      /nested deeper/,
    );
    expect(as('input=a&schema={"__proto__":1}', "application/x-www-form-urlencoded")).toThrow(/__proto__/);
  });
});

test.each([
  '{"input":"a","__proto__":{"store":true}}',
  '{"input":"a","metadata":{"__proto__":"x"}}',
  '{"input":[{"content":[{"__proto__":null}]}]}',
  '{"input":"a","schema":{"properties":{"__proto__":{"type":"string"}}}}',
  '{"input":"a","\\u005f_proto__":1}',
])("the key __proto__ is refused at any depth: %s", (text) => {
  expect(refusalOf(text)).toBe("invalid_request 400");
});
