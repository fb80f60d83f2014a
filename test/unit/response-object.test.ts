// The response object of /v1/responses, made from whatever a relay sends. test/worker/open-responses.test.ts has the requests.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/core/lib/json.ts";
import { unixSeconds } from "../../src/core/lib/unix-seconds.ts";
import { withRequestFields } from "../../src/core/reply/echoed-fields.ts";
import { completeResponse } from "../../src/core/reply/response-object.ts";
import { mistakesIn, ResponseResource } from "../support/open-responses.ts";

const NOW = 1_800_000_000;

function complete(response: JsonObject, request: JsonObject = {}, restricted = false): JsonObject {
  return completeResponse(response, { id: "resp_ue1_1", previousId: null, request, restricted, now: NOW });
}

const TOOL = { type: "function", name: "f", description: "d", parameters: { type: "object" }, strict: true };
const FORMAT = { type: "json_schema", name: "n", description: "d", schema: { type: "object" }, strict: true };

/** Values of wrong types, and hollow ones. */
const WRONG = [null, "", 0, -1, 1.5, true, [], [null, "x"], {}, { a: 1 }, [[]]];

describe("whatever a relay sends", () => {
  const keys = Object.keys(ResponseResource.shape).filter((key) => key !== "output");

  test("the object is valid, for server callers and restricted ones", () => {
    const values = fc.constantFrom<unknown>(...WRONG);
    const objectsOf = (names: string[]): fc.Arbitrary<JsonObject> =>
      fc.dictionary(fc.constantFrom(...names), values, { maxKeys: names.length });
    // The Worker itself has checked the caller's instructions.
    const requests = objectsOf(keys.filter((key) => key !== "instructions"));
    fc.assert(
      fc.property(objectsOf(keys), requests, fc.boolean(), (response, request, restricted) => {
        expect(mistakesIn(ResponseResource, complete(response, { ...request, model: "m" }, restricted))).toEqual([]);
      }),
    );
  });

  test.each(keys)("a wrong %s leaves the object valid", (key) => {
    for (const value of WRONG) expect(mistakesIn(ResponseResource, complete({ [key]: value, model: "m" }))).toEqual([]);
  });

  test("unknown keys pass to server callers only", () => {
    const response = { billing: { payer: "developer" }, of_tomorrow: 1 };
    expect(complete(response)).toMatchObject(response);
    expect(Object.keys(complete(response, {}, true))).not.toEqual(expect.arrayContaining(["billing"]));
  });

  test("a key called __proto__ changes nothing", () => {
    const response = JSON.parse('{"__proto__":{"id":"x","polluted":1}}') as JsonObject;
    expect(complete(response)).not.toHaveProperty("polluted");
  });
});

describe("a field that upstream does not echo has the request's value", () => {
  test.each<[string, unknown, unknown]>([
    ["tools", [TOOL], [TOOL]],
    ["tools", [{ type: "function", name: "f" }], [{ ...TOOL, description: null, parameters: null, strict: null }]],
    ["tools", [{ type: "web_search" }], [{ type: "web_search" }]],
    [
      "tools",
      [{ type: "namespace", name: "n", tools: [{ type: "function", name: "f" }] }],
      [{ type: "namespace", name: "n", tools: [{ ...TOOL, description: null, parameters: null, strict: null }] }],
    ],
    ["tool_choice", { type: "function", name: "f" }, { type: "function", name: "f" }],
    ["tool_choice", { type: "web_search" }, { type: "web_search" }],
    [
      "tool_choice",
      { type: "allowed_tools", tools: [{ type: "function", name: "f" }] },
      { type: "allowed_tools", mode: "auto", tools: [{ type: "function", name: "f" }] },
    ],
    ["reasoning", { effort: "low" }, { effort: "low", summary: null }],
    ["reasoning", { summary: "auto" }, { effort: null, summary: "auto" }],
    ["text", { verbosity: "low" }, { verbosity: "low", format: { type: "text" } }],
    ["text", { format: FORMAT }, { format: FORMAT }],
    [
      "text",
      { format: { type: "json_schema", name: "n", schema: {} } },
      { format: { ...FORMAT, schema: {}, description: null, strict: false } },
    ],
    ["metadata", { a: "b" }, { a: "b" }],
    ["max_output_tokens", 16, 16],
    ["temperature", 0.2, 0.2],
    ["store", false, false],
    ["truncation", "auto", "auto"],
    ["service_tier", "flex", "flex"],
    ["prompt_cache_key", "k", "k"],
  ])("%s: %j", (name, requested, expected) => {
    for (const echo of [undefined, null])
      expect(complete({ [name]: echo }, { [name]: requested })[name]).toEqual(expected);
    // A relay that echoes nothing may still send empty lists and objects.
    const hollow = Array.isArray(requested) ? [] : {};
    expect(complete({ [name]: hollow }, { [name]: requested })[name]).toEqual(expected);
  });

  test("what upstream does echo takes precedence", () => {
    expect(
      complete({ temperature: 0.5, store: false, tools: [TOOL] }, { temperature: 0.2, store: true }),
    ).toMatchObject({ temperature: 0.5, store: false, tools: [TOOL] });
  });
});

describe("a stored response has the request's fields", () => {
  const request = {
    model: "m",
    instructions: "secret",
    temperature: 0.2,
    tools: [TOOL],
    store: false,
    metadata: { a: "b" },
  };
  const { temperature, tools, store } = request;

  test("that upstream did not echo, so that GET returns them", () => {
    for (const echo of [{}, { temperature: null, tools: [], store: null }])
      expect(withRequestFields({ id: "up", ...echo }, request)).toEqual({ id: "up", temperature, tools, store });
  });

  test("except where upstream echoed a value, and except large ones", () => {
    const response = { temperature: 1, tools: [{ type: "web_search" }], store: true };
    expect(withRequestFields(response, request)).toBe(response);
    const large = { tools: [{ ...TOOL, description: "x".repeat(20_000) }] };
    expect(withRequestFields({}, { ...request, ...large })).toEqual({ temperature, store });
  });
});

describe("an echo in the nesting of Chat Completions gets that of the Responses API", () => {
  const { type, ...keys } = TOOL;
  const { type: formatType, ...format } = FORMAT;

  test.each<[string, unknown, unknown]>([
    ["tools", [{ type, function: keys }], [TOOL]],
    ["tool_choice", { type, function: { name: "f" } }, { type, name: "f" }],
    ["text", { format: { type: formatType, json_schema: format } }, { format: FORMAT }],
  ])("%s", (name, echoed, expected) => {
    expect(complete({ [name]: echoed })[name]).toEqual(expected);
  });
});

describe("a restricted caller sees the value of its own request", () => {
  test.each<[string, unknown]>([
    ["tools", [TOOL]],
    ["tool_choice", "required"],
    ["text", { format: FORMAT }],
    ["metadata", { hidden: "x" }],
    ["user", "u"],
    ["safety_identifier", "s"],
    ["prompt_cache_key", "k"],
  ])("as %s, or the default", (name, hidden) => {
    expect(complete({ [name]: hidden }, {}, true)[name]).toEqual(complete({})[name]);
    expect(complete({ [name]: hidden }, { [name]: hidden }, true)[name]).toEqual(hidden);
  });
});

describe("times", () => {
  test.each<[unknown, number | null]>([
    [1_796_000_000, 1_796_000_000],
    [1_796_000_000.9, 1_796_000_000],
    [1_796_000_000_123, 1_796_000_000],
    [1_796_000_000_123_456, 1_796_000_000],
    [1_796_000_000_123_456_789n, 1_796_000_000],
    ["1796000000123456789", 1_796_000_000],
    ["1796000000", 1_796_000_000],
    [Number.NaN, null],
    [Number.POSITIVE_INFINITY, null],
    [-1, null],
    [0, null],
    ["", null],
    ["yesterday", null],
    [null, null],
    [{}, null],
  ])("%s is %s", (value, expected) => {
    expect(unixSeconds(value, null)).toBe(expected);
  });

  test("any number becomes a plausible time or the fallback", () => {
    fc.assert(
      fc.property(fc.double(), (value) => {
        const seconds = unixSeconds(value, NOW);
        expect(Number.isInteger(seconds) && seconds > 0 && seconds < 1e11).toBe(true);
      }),
    );
  });

  test("created_at and completed_at are in seconds; if upstream sends none, they are the given time", () => {
    expect(
      complete({ status: "completed", created_at: 1_796_000_000_000, completed_at: 1_796_000_001_000 }),
    ).toMatchObject({ created_at: 1_796_000_000, completed_at: 1_796_000_001 });
    expect(complete({})).toMatchObject({ created_at: NOW, completed_at: NOW });
    expect(complete({ status: "in_progress" })).toMatchObject({ created_at: NOW, completed_at: null });
  });

  test("a response is never completed before it was created", () => {
    expect(complete({ created_at: NOW + 5 })["completed_at"]).toBe(NOW + 5);
    expect(complete({ created_at: NOW, completed_at: NOW - 5 })["completed_at"]).toBe(NOW);
  });
});

describe("usage", () => {
  test("has every detail; unknown usage is null", () => {
    const usage = { input_tokens: 3, output_tokens: 2, total_tokens: 5 };
    expect(complete({ usage })["usage"]).toEqual({
      ...usage,
      input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
      output_tokens_details: { reasoning_tokens: 0 },
    });
    for (const unknown of [null, {}, { tokens: 5 }, { input_tokens: 3 }])
      expect(complete({ usage: unknown })["usage"]).toBeNull();
  });

  test("names the tokens that were written to the cache, under either name", () => {
    const usage = { input_tokens: 30, output_tokens: 2, cache_creation_input_tokens: 7 };
    expect(complete({ usage })["usage"]).toMatchObject({ input_tokens_details: { cache_write_tokens: 7 } });
  });

  test("keeps the details that upstream sent", () => {
    const usage = {
      input_tokens: 30,
      input_tokens_details: { cached_tokens: 10, cache_write_tokens: 7, audio_tokens: 1 },
      output_tokens: 2,
      output_tokens_details: { reasoning_tokens: 1, audio_tokens: 1 },
      total_tokens: 32,
    };
    expect(complete({ usage })["usage"]).toEqual(usage);
  });
});

describe("error and incomplete_details", () => {
  test("a failed response always has an error, without upstream's words", () => {
    for (const error of [
      undefined,
      null,
      {},
      "secret words",
      { message: "secret words" },
      { code: "c", message: "secret words" },
    ]) {
      const object = complete({ status: "failed", error });
      expect(object["error"]).toEqual({
        code: error instanceof Object && "code" in error ? "c" : "server_error",
        message: expect.stringContaining("failed") as string,
      });
      expect(JSON.stringify(object)).not.toContain("secret");
    }
  });

  test("an error without content becomes null", () => {
    for (const error of [{}, "", { code: null, message: "" }]) expect(complete({ error })["error"]).toBeNull();
  });

  test("a reason that is only a text becomes an object", () => {
    const details = { reason: "max_output_tokens" };
    for (const incomplete_details of [details, "max_output_tokens"])
      expect(complete({ status: "incomplete", incomplete_details })["incomplete_details"]).toEqual(details);
    expect(complete({ status: "incomplete", incomplete_details: {} })["incomplete_details"]).toBeNull();
  });
});
