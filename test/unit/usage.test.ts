// The tokens of a response and their cost.
import type { Usage } from "../../src/contract/answer.ts";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Price } from "../../src/core/config/config-schema.ts";
import { costUsd, usageOf } from "../../src/core/upstream/usage.ts";

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

describe("usage", () => {
  test.each<[string, unknown, Usage | null]>([
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

  test("token counts are always whole numbers from 0", () => {
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

  test("is undefined without usage, and exact for a single token", () => {
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
