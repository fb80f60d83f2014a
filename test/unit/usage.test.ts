// The tokens of a response and their cost.
import type { Usage } from "../../src/contract/answer.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Price } from "../../src/core/config/config-schema.ts";
import { costUsd, usageOf, usageOfResponse } from "../../src/core/upstream/usage.ts";

const usage: Usage = {
  input_tokens: 1_000,
  cached_tokens: 400,
  output_tokens: 500,
  reasoning_tokens: 100,
  total_tokens: 1_500,
};
const PRICES: Record<string, Price> = {
  "gpt-6-sol": { input: 2, cached: 0.2, output: 10 },
  "gpt-6-sol-2026-10-01": { input: 1, cached: 1, output: 1 },
  "gpt-6-luna": { input: 0.1, cached: 0.1, output: 0.5 },
};

const CHAT = { prompt_tokens: 100_000, completion_tokens: 50_000 };
const RESPONSES = { input_tokens: 100_000, output_tokens: 50_000 };
const ZEROS = { input_tokens: 0, output_tokens: 0 };
const total_tokens = 150_000;
const counted = (cached_tokens = 0, reasoning_tokens = 0): Usage => ({
  ...RESPONSES,
  cached_tokens,
  reasoning_tokens,
  total_tokens,
});

describe("usage", () => {
  test.each<[string, unknown, Usage]>([
    [
      "all counts",
      {
        input_tokens: 12,
        input_tokens_details: { cached_tokens: 4 },
        output_tokens: 7,
        output_tokens_details: { reasoning_tokens: 3 },
        total_tokens: 19,
      },
      { input_tokens: 12, cached_tokens: 4, output_tokens: 7, reasoning_tokens: 3, total_tokens: 19 },
    ],
    ["no details (a converted model)", { ...RESPONSES, total_tokens, output_tokens_details: null }, counted()],
    ["no total", RESPONSES, counted()],
    ["a total of null", { ...RESPONSES, total_tokens: null }, counted()],
    ["the names of Chat Completions", { ...CHAT, total_tokens }, counted()],
    ["the names of Chat Completions without a total", CHAT, counted()],
    [
      "the details of Chat Completions",
      {
        ...CHAT,
        total_tokens,
        prompt_tokens_details: { cached_tokens: 40_000 },
        completion_tokens_details: { reasoning_tokens: 20_000 },
      },
      counted(40_000, 20_000),
    ],
    ["both names", { ...RESPONSES, ...CHAT, total_tokens }, counted()],
    ["both names, with zeros in one", { ...ZEROS, ...CHAT, total_tokens }, counted()],
    [
      "both names, with zeros in one and in the total",
      { ...RESPONSES, prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
      counted(),
    ],
    ["both names, with zeros in the other", { ...RESPONSES, prompt_tokens: 0, completion_tokens: 0 }, counted()],
    [
      "both names, of which one fits the total",
      { ...RESPONSES, prompt_tokens: 7, completion_tokens: 50_000, total_tokens },
      counted(),
    ],
    [
      "details under the names that the counts don't have",
      { ...ZEROS, ...CHAT, total_tokens, input_tokens_details: { cached_tokens: 9 }, prompt_tokens_details: {} },
      counted(9),
    ],
    ["DeepSeek's cache hits", { ...CHAT, total_tokens, prompt_cache_hit_tokens: 9 }, counted(9)],
    ["Moonshot's cache hits", { ...CHAT, total_tokens, cached_tokens: 9 }, counted(9)],
    [
      "Anthropic's input beside its cache",
      {
        input_tokens: 60_000,
        cache_read_input_tokens: 30_000,
        cache_creation_input_tokens: 10_000,
        output_tokens: 50_000,
      },
      counted(30_000),
    ],
    [
      "a cache that the total shows to be part of the input",
      { ...RESPONSES, total_tokens, cache_read_input_tokens: 30_000 },
      counted(30_000),
    ],
    [
      "reasoning that only the total includes",
      {
        prompt_tokens: 100_000,
        completion_tokens: 20_000,
        completion_tokens_details: { reasoning_tokens: 30_000 },
        total_tokens,
      },
      counted(0, 30_000),
    ],
    [
      "impossible details",
      {
        ...RESPONSES,
        total_tokens,
        input_tokens_details: { cached_tokens: -4 },
        output_tokens_details: { reasoning_tokens: "9" },
      },
      counted(),
    ],
    [
      "no output",
      { input_tokens: 5, output_tokens: 0, total_tokens: 5 },
      { input_tokens: 5, cached_tokens: 0, output_tokens: 0, reasoning_tokens: 0, total_tokens: 5 },
    ],
  ])("is read from %s", (_, sent, expected) => {
    expect(usageOf(sent)).toEqual(expected);
  });

  test.each<[string, unknown]>([
    ["null", null],
    ["nothing", undefined],
    ["a list", []],
    ["a text", "150000 tokens"],
    ["an empty object", {}],
    ["unknown names", { tokens_in: 100, tokens_out: 50, total_tokens: 150 }],
    ["names of both families, none of which is complete", { input_tokens: 100, completion_tokens: 50 }],
    ["only a total", { total_tokens }],
    ["no input", { output_tokens: 50_000, total_tokens: 50_000 }],
    ["no output count", { input_tokens: 100_000, total_tokens: 100_000 }],
    ["input 0", { input_tokens: 0, output_tokens: 50, total_tokens: 50 }],
    ["only zeros", { ...ZEROS, total_tokens: 0 }],
    ["zeros and a total", { ...ZEROS, total_tokens }],
    ["a total of 0", { ...RESPONSES, total_tokens: 0 }],
    ["a total that the parts contradict", { ...RESPONSES, total_tokens: 150_001 }],
    ["a total of text", { ...RESPONSES, total_tokens: "150000" }],
    ["two families that contradict each other", { ...RESPONSES, prompt_tokens: 7, completion_tokens: 5 }],
    [
      "two families that divide the total differently",
      { ...RESPONSES, prompt_tokens: 50_000, completion_tokens: 100_000, total_tokens },
    ],
    ["texts", { input_tokens: "100", output_tokens: "50", total_tokens: "150" }],
    ["negative numbers", { input_tokens: -1, output_tokens: 51, total_tokens: 50 }],
    ["fractions", { input_tokens: 0.5, output_tokens: 0.5, total_tokens: 1 }],
    ["Infinity", { input_tokens: Number.POSITIVE_INFINITY, output_tokens: 5 }],
    ["NaN", { input_tokens: Number.NaN, output_tokens: 5 }],
    ["more tokens than there can be", { input_tokens: 1e9 + 1, output_tokens: 5, total_tokens: 1e9 + 6 }],
    ["more cached input than input", { ...RESPONSES, total_tokens, input_tokens_details: { cached_tokens: 1e8 } }],
    ["a cache beside the input that the total lacks", { ...RESPONSES, total_tokens, cache_read_input_tokens: 1e8 }],
    ["more reasoning than output", { ...RESPONSES, total_tokens, output_tokens_details: { reasoning_tokens: 1e8 } }],
    ["integers beyond 2^53", { input_tokens: 10n ** 18n, output_tokens: 5n }],
  ])("is unknown with %s", (_, sent) => {
    expect(usageOf(sent)).toBeNull();
  });

  test("is unknown if it has no output tokens although the answer has output", () => {
    const usage = { input_tokens: 5, output_tokens: 0, total_tokens: 5 };
    const message = { type: "message", content: [{ type: "output_text", text: "Hi" }] };
    const call = { type: "function_call", call_id: "c", name: "f", arguments: "{}" };
    expect(usageOfResponse({ usage, output: [] })).toMatchObject({ output_tokens: 0 });
    for (const item of [message, call]) expect(usageOfResponse({ usage, output: [item] })).toBeNull();
  });

  test("is unknown, or whole numbers that add up and contain their details; its input is never 0", () => {
    const number = fc.oneof(fc.nat(5), fc.integer(), fc.double(), fc.constantFrom(1e9, 1e18, null, "5"));
    const names = [
      "input_tokens",
      "output_tokens",
      "prompt_tokens",
      "completion_tokens",
      "total_tokens",
      "cached_tokens",
      "prompt_cache_hit_tokens",
      "cache_read_input_tokens",
      "cache_creation_input_tokens",
    ];
    const details = fc.dictionary(fc.constantFrom("cached_tokens", "reasoning_tokens"), number);
    const sent = fc
      .tuple(
        fc.dictionary(fc.constantFrom(...names), number),
        fc.dictionary(fc.constantFrom("input_tokens_details", "completion_tokens_details"), details),
      )
      .map((parts) => Object.assign({}, ...parts) as object);
    fc.assert(
      fc.property(fc.oneof(sent, fc.jsonValue()), (value) => {
        const read = usageOf(value);
        if (read === null) return;
        expect(read.input_tokens).toBeGreaterThan(0);
        expect(read.total_tokens).toBe(read.input_tokens + read.output_tokens);
        expect(read.total_tokens).toBeLessThanOrEqual(1e9);
        expect(read.cached_tokens).toBeLessThanOrEqual(read.input_tokens);
        expect(read.reasoning_tokens).toBeLessThanOrEqual(read.output_tokens);
        for (const count of Object.values(read)) expect(Number.isInteger(count) && count >= 0).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("cost", () => {
  test.each<[string[], number | undefined]>([
    [["gpt-6-sol"], (600 * 2 + 400 * 0.2 + 500 * 10) / 1e6],
    [["gpt-6-sol-2026-09-22"], (600 * 2 + 400 * 0.2 + 500 * 10) / 1e6],
    [["gpt-6-sol-20260922"], (600 * 2 + 400 * 0.2 + 500 * 10) / 1e6],
    [["gpt-6-sol-2026-10-01"], (1_000 + 500) / 1e6],
    [["gpt-6-luna"], (1_000 * 0.1 + 500 * 0.5) / 1e6],
    [["unknown", "gpt-6-luna"], (1_000 * 0.1 + 500 * 0.5) / 1e6],
    [["gpt-6-luna", "gpt-6-sol"], (1_000 * 0.1 + 500 * 0.5) / 1e6],
    [["gpt-6"], undefined],
    [["gpt-6-sol-pro"], undefined],
    [["constructor", "__proto__", ""], undefined],
    [[], undefined],
  ])("of %j is %s USD", (models, usd) => {
    const cost = costUsd(PRICES, models, usage);
    if (usd === undefined) expect(cost).toBeUndefined();
    else expect(cost).toBeCloseTo(usd, 10);
  });

  test("is undefined without usage, and exact for a few tokens", () => {
    expect(costUsd(PRICES, ["gpt-6-sol"], null)).toBeUndefined();
    const one = { ...usage, input_tokens: 3, cached_tokens: 0, output_tokens: 0 };
    expect(String(costUsd(PRICES, ["gpt-6-sol"], one))).toBe("0.000006");
    expect(
      costUsd({ m: { input: 0.1, cached: 0.1, output: 0.2 } }, ["m"], {
        ...usage,
        input_tokens: 3,
        cached_tokens: 0,
        output_tokens: 3,
      }),
    ).toBe(0.0000009);
  });

  test("is never negative, even with more cached tokens than input tokens", () => {
    expect(costUsd(PRICES, ["gpt-6-sol"], { ...usage, input_tokens: 10, cached_tokens: 1e9, output_tokens: 0 })).toBe(
      0.000002,
    );
  });
});
