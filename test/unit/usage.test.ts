// Tokens of a response, and what they cost.
import type { Usage } from "../../src/contract/answer.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { costUsd, type Price, usageOf } from "../../src/core/upstream/usage.ts";

const usage: Usage = {
  input_tokens: 1_000,
  cached_tokens: 400,
  output_tokens: 500,
  reasoning_tokens: 100,
  total_tokens: 1_500,
};
const PRICES: Record<string, Price> = {
  "gpt-5-mini": { input: 0.25, cached: 0.025, output: 2 },
  "gpt-5-mini-2026-01-01": { input: 1, output: 1 },
  "gpt-4.1-mini": { input: 0.4, output: 1.6 },
};

describe("usage", () => {
  test.each<[string, unknown, Usage | null]>([
    [
      "all of it",
      {
        input_tokens: 12,
        input_tokens_details: { cached_tokens: 4 },
        output_tokens: 7,
        output_tokens_details: { reasoning_tokens: 3 },
        total_tokens: 19,
      },
      { input_tokens: 12, cached_tokens: 4, output_tokens: 7, reasoning_tokens: 3, total_tokens: 19 },
    ],
    [
      "no details (a converted model)",
      { input_tokens: 9, output_tokens: 3, total_tokens: 12, output_tokens_details: null },
      { input_tokens: 9, cached_tokens: 0, output_tokens: 3, reasoning_tokens: 0, total_tokens: 12 },
    ],
    [
      "no total",
      { input_tokens: 9, output_tokens: 3 },
      { input_tokens: 9, cached_tokens: 0, output_tokens: 3, reasoning_tokens: 0, total_tokens: 12 },
    ],
    [
      "nonsense",
      { input_tokens: -1, output_tokens: "7", total_tokens: Number.POSITIVE_INFINITY, input_tokens_details: [] },
      { input_tokens: 0, cached_tokens: 0, output_tokens: 0, reasoning_tokens: 0, total_tokens: 0 },
    ],
    ["null", null, null],
    ["nothing", undefined, null],
    ["a list", [], null],
  ])("%s", (_, sent, expected) => {
    expect(usageOf(sent)).toEqual(expected);
  });

  test("whatever is sent, counts are whole numbers from 0", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        for (const count of Object.values(usageOf(value) ?? {}))
          expect(Number.isSafeInteger(count) && count >= 0 ? true : count > 2 ** 53).toBe(true);
      }),
    );
  });
});

describe("cost", () => {
  test.each<[string[], number | undefined]>([
    [["gpt-5-mini"], (600 * 0.25 + 400 * 0.025 + 500 * 2) / 1e6],
    [["gpt-5-mini-2025-08-07"], (600 * 0.25 + 400 * 0.025 + 500 * 2) / 1e6],
    [["gpt-5-mini-20250807"], (600 * 0.25 + 400 * 0.025 + 500 * 2) / 1e6],
    [["gpt-5-mini-2026-01-01"], (1_000 + 500) / 1e6],
    [["gpt-4.1-mini"], (1_000 * 0.4 + 500 * 1.6) / 1e6],
    [["unknown", "gpt-4.1-mini"], (1_000 * 0.4 + 500 * 1.6) / 1e6],
    [["gpt-4.1-mini", "gpt-5-mini"], (1_000 * 0.4 + 500 * 1.6) / 1e6],
    [["gpt-5"], undefined],
    [["gpt-5-mini-pro"], undefined],
    [["constructor", "__proto__", ""], undefined],
    [[], undefined],
  ])("of %j is %s USD", (models, usd) => {
    const cost = costUsd(PRICES, models, usage);
    if (usd === undefined) expect(cost).toBeUndefined();
    else expect(cost).toBeCloseTo(usd, 10);
  });

  test("without usage there is none, and a single token shows without binary noise", () => {
    expect(costUsd(PRICES, ["gpt-5-mini"], null)).toBeUndefined();
    const one = { ...usage, input_tokens: 3, cached_tokens: 0, output_tokens: 0 };
    expect(String(costUsd(PRICES, ["gpt-5-mini"], one))).toBe("7.5e-7");
    expect(
      costUsd({ m: { input: 0.1, output: 0.2 } }, ["m"], {
        ...usage,
        input_tokens: 3,
        cached_tokens: 0,
        output_tokens: 3,
      }),
    ).toBe(0.0000009);
  });

  test("more cached tokens than input tokens never make a cost negative", () => {
    expect(costUsd(PRICES, ["gpt-5-mini"], { ...usage, input_tokens: 10, cached_tokens: 1e9, output_tokens: 0 })).toBe(
      2.5e-7,
    );
  });
});
