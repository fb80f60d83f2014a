// Which answers are cached and used again, and that two requests share a key only if they are equal.
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isRecord, type JsonObject, canonicalJson } from "../../src/core/lib/json.ts";
import { type CachePlan, type CacheSettings, isCacheable, planCache } from "../../src/core/cache/policy.ts";
import { UPSTREAM_FIELDS } from "../../src/contract/request-fields.ts";
import { readCacheControl } from "../../src/core/request/headers.ts";

const keys = fc.string({ maxLength: 6 }).filter((key) => key !== "__proto__");
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null)),
    fc.array(tie("json"), { maxLength: 3 }),
    fc.dictionary(keys, tie("json"), { maxKeys: 4, noNullPrototype: true }),
  ),
}));
const names = fc.constantFrom("input", ...Object.keys(UPSTREAM_FIELDS));
const bodies = fc.dictionary(names, json, { maxKeys: 6, noNullPrototype: true });

/** The same value with every object's keys in reverse order. */
function reverseKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reverseKeys);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, child]) => [key, reverseKeys(child)]),
  );
}

/** Whether the JSON has one of the two keys under which order counts. */
const hasVerbatim = (body: JsonObject): boolean => /"(?:schema|parameters)":/.test(JSON.stringify(body));

describe("the canonical JSON of a composed request", () => {
  test("is shared only by bodies that are equal, field by field", () => {
    fc.assert(
      fc.property(bodies, bodies, (one, other) => {
        expect(canonicalJson(one) === canonicalJson(other)).toBe(isDeepStrictEqual(one, other));
      }),
    );
  });

  test("differs for every changed, added or removed field", () => {
    fc.assert(
      fc.property(bodies, names, json, (body, name, value) => {
        fc.pre(!(Object.hasOwn(body, name) && isDeepStrictEqual(body[name], value)));
        expect(canonicalJson({ ...body, [name]: value })).not.toBe(canonicalJson(body));
      }),
    );
  });

  test("does not depend on white space or the order of keys", () => {
    fc.assert(
      fc.property(bodies, fc.constantFrom("", "  ", "\t"), (body, space) => {
        fc.pre(!hasVerbatim(body));
        const respaced = JSON.parse(JSON.stringify(reverseKeys(body), null, space)) as JsonObject;
        expect(canonicalJson(respaced)).toBe(canonicalJson(body));
      }),
    );
  });

  test("depends on the order of a list", () => {
    expect(canonicalJson({ include: ["a", "b"] })).not.toBe(canonicalJson({ include: ["b", "a"] }));
  });

  const schema = { type: "object", properties: { answer: { type: "string" }, reason: { type: "string" } } };
  const turned = reverseKeys(schema) as JsonObject;

  test("depends on the order of keys in a schema, and not around it", () => {
    const withSchema = (schema: JsonObject): JsonObject => ({
      text: { format: { type: "json_schema", name: "a", schema } },
    });
    expect(canonicalJson(withSchema(schema))).not.toBe(canonicalJson(withSchema(turned)));
    expect(canonicalJson({ text: { format: { schema, name: "a", type: "json_schema" } } })).toBe(
      canonicalJson(withSchema(schema)),
    );
  });

  test("depends on the order of keys in a tool's parameters, and not around them", () => {
    const withTool = (parameters: JsonObject): JsonObject => ({ tools: [{ type: "function", name: "f", parameters }] });
    expect(canonicalJson(withTool(schema))).not.toBe(canonicalJson(withTool(turned)));
    expect(canonicalJson({ tools: [{ parameters: schema, name: "f", type: "function" }] })).toBe(
      canonicalJson(withTool(schema)),
    );
    const bodyWith = (parameters: JsonObject): JsonObject => ({
      tools: [{ type: "namespace", tools: [{ type: "function", parameters }] }],
    });
    expect(canonicalJson(bodyWith(schema))).not.toBe(canonicalJson(bodyWith(turned)));
  });

  test("does not depend on the order of keys in a `schema` or `parameters` elsewhere, which is data", () => {
    expect(canonicalJson({ metadata: { schema } })).toBe(canonicalJson({ metadata: { schema: turned } }));
    expect(canonicalJson({ input: [{ parameters: schema }] })).toBe(canonicalJson({ input: [{ parameters: turned }] }));
  });
});

describe("Cache-Control of a request", () => {
  const none = { noStore: false, noCache: false, maxAge: undefined };
  test.each([
    [null, none],
    ["", none],
    ["no-store", { ...none, noStore: true }],
    ["No-Cache", { ...none, noCache: true }],
    ["max-age=60", { ...none, maxAge: 60 }],
    ['max-age="60"', { ...none, maxAge: 60 }],
    ["max-age=0", { ...none, noCache: true, maxAge: 0 }],
    ["max-age=-1", none],
    ["max-age=abc", none],
    ["max-age", none],
    ["max-stale=60, only-if-cached", none],
    ["no-transform,  no-cache , max-age=5", { ...none, noCache: true, maxAge: 5 }],
  ])("%j is parsed as %j", (header, control) => {
    expect(readCacheControl(header)).toEqual(control);
  });
});

describe("the plan for the exact-repeat cache", () => {
  const settings: CacheSettings = { ttl: 3_600, scope: "owner" };
  const bypass: CachePlan = { read: false, write: false, scope: "owner" };
  const plan = (
    requested: false | "refresh" | number | undefined,
    header: string | null,
    body: JsonObject = {},
  ): CachePlan => planCache(requested, readCacheControl(header), settings, body);

  test.each<[string, false | "refresh" | number | undefined, string | null, Partial<CachePlan>]>([
    ["by default it reads and writes for the config's ttl", undefined, null, { read: 3_600, write: 3_600 }],
    ["cache:false neither reads nor writes", false, null, bypass],
    ["cache:refresh writes only", "refresh", null, { read: false, write: 3_600 }],
    ["cache:N accepts N seconds and stores as long", 120, null, { read: 120, write: 120 }],
    ["cache:N stores for at least 60 seconds", 5, null, { read: 5, write: 60 }],
    ["cache:0 is cache:refresh, stored for a minute", 0, null, { read: false, write: 60 }],
    ["cache:N may be longer than the config's ttl", 86_400, null, { read: 86_400, write: 86_400 }],
    ["cache:N is at most a year", 1e15, null, { read: 31_536_000, write: 31_536_000 }],
    ["no-store works like cache:false", undefined, "no-store", bypass],
    ["no-cache works like cache:refresh", undefined, "no-cache", { read: false, write: 3_600 }],
    ["max-age=N works like cache:N", undefined, "max-age=120", { read: 120, write: 120 }],
    ["max-age=5 stores for 60 seconds", undefined, "max-age=5", { read: 5, write: 60 }],
    ["max-age=0 works like no-cache", undefined, "max-age=0", { read: false, write: 3_600 }],
    ["the field overrides max-age", 10, "max-age=500", { read: 10, write: 60 }],
    ["the field overrides no-cache", 300, "no-cache", { read: 300, write: 300 }],
    ["the field overrides max-age=0", 300, "max-age=0", { read: 300, write: 300 }],
    ["cache:false overrides max-age", false, "max-age=500", bypass],
    ["cache:refresh overrides max-age", "refresh", "max-age=500", { read: false, write: 3_600 }],
    ["no-store overrides the field", 300, "no-store", bypass],
    ["no-store overrides refresh", "refresh", "no-store", bypass],
  ])("%s", (_, requested, header, expected) => {
    expect(plan(requested, header)).toEqual({ scope: "owner", ...expected });
  });

  test.each<[string, JsonObject, boolean]>([
    ["store:false", { store: false }, false],
    ["store:true", { store: true }, true],
    ["a function", { tools: [{ type: "function", name: "f" }] }, true],
    ["a custom tool", { tools: [{ type: "custom", name: "f" }] }, true],
    ["no tools", { tools: [] }, true],
    ["web search", { tools: [{ type: "web_search" }] }, false],
    ["file search beside a function", { tools: [{ type: "function" }, { type: "file_search" }] }, false],
    ["an MCP server", { tools: [{ type: "mcp", server_url: "https://x" }] }, false],
    ["a future tool type", { tools: [{ type: "time_travel" }] }, false],
  ])("a request with %s (%j) is cached: %s", (_, body, kept) => {
    expect(plan(undefined, null, body)).toEqual(kept ? { read: 3_600, write: 3_600, scope: "owner" } : bypass);
    expect(plan(60, null, body).write).toBe(kept ? 60 : false);
  });

  test("a request can't enable a cache that the deployer disabled", () => {
    for (const requested of [undefined, "refresh" as const, 60])
      expect(planCache(requested, readCacheControl("max-age=60"), false, {})).toEqual(bypass);
  });

  test("only the deployer can choose a shared scope", () => {
    expect(planCache(undefined, readCacheControl(null), { ttl: 60, scope: "shared" }, {}).scope).toBe("shared");
  });
});

describe("answers that may be stored", () => {
  const message = { type: "message", content: [{ type: "output_text", text: "hi" }] };
  test.each<[string, JsonObject, boolean]>([
    ["a completed answer", { status: "completed", output: [message] }, true],
    ["a completed answer after reasoning", { status: "completed", output: [{ type: "reasoning" }, message] }, true],
    ["an incomplete answer", { status: "incomplete", output: [message] }, false],
    ["a message that was cut", { status: "completed", output: [{ ...message, status: "incomplete" }] }, false],
    [
      "an answer with incomplete_details",
      { status: "completed", incomplete_details: { reason: "content_filter" }, output: [message] },
      false,
    ],
    ["an answer with an error", { status: "completed", error: { code: "server_error" }, output: [message] }, false],
    ["a failed answer", { status: "failed", output: [] }, false],
    ["an answer without a status", { output: [message] }, false],
    ["an answer that calls a function", { status: "completed", output: [message, { type: "function_call" }] }, false],
    ["an answer that calls a custom tool", { status: "completed", output: [{ type: "custom_tool_call" }] }, false],
    ["an answer without output", { status: "completed" }, false],
  ])("%s (%j) may be stored: %s", (_, response, kept) => {
    expect(isCacheable(response)).toBe(kept);
  });
});
