// Reads the tokens of a response and computes their cost. Prices come from the config, in USD per million tokens.
import type { Usage } from "../../contract/answer.ts";
import type { Price } from "../config/config-schema.ts";
import { isRecord } from "../lib/json.ts";

/** Converts the `usage` of a response object to that of an answer. @returns null if upstream sent none */
export function usageOf(usage: unknown): Usage | null {
  if (!isRecord(usage)) return null;
  const input = count(usage["input_tokens"]);
  const output = count(usage["output_tokens"]);
  return {
    input_tokens: input,
    cached_tokens: detail(usage["input_tokens_details"], "cached_tokens"),
    output_tokens: output,
    reasoning_tokens: detail(usage["output_tokens_details"], "reasoning_tokens"),
    total_tokens: typeof usage["total_tokens"] === "number" ? count(usage["total_tokens"]) : input + output,
  };
}

/** Adds two usages. A null counts as 0 tokens. @returns null if both are null */
export function sumUsage(a: Usage | null, b: Usage | null): Usage | null {
  if (a === null || b === null) return a ?? b;
  return {
    input_tokens: a.input_tokens + b.input_tokens,
    cached_tokens: a.cached_tokens + b.cached_tokens,
    output_tokens: a.output_tokens + b.output_tokens,
    reasoning_tokens: a.reasoning_tokens + b.reasoning_tokens,
    total_tokens: a.total_tokens + b.total_tokens,
  };
}

/**
 * Computes the cost in USD. A price for `gpt-5.4-mini` also applies to `gpt-5.4-mini-2026-03-17`, the name in upstream's answers, unless
 * that name has its own price.
 * @param models names of the same model, in the order in which to look for a price
 * @returns undefined if there is no usage or no price
 */
export function costUsd(
  prices: Readonly<Record<string, Price>>,
  models: readonly string[],
  usage: Usage | null,
): number | undefined {
  if (usage === null) return undefined;
  for (const model of models) {
    const price = priceOf(prices, model);
    if (price === undefined) continue;
    const cached = Math.min(usage.cached_tokens, usage.input_tokens);
    const micro =
      (usage.input_tokens - cached) * price.input + cached * price.cached + usage.output_tokens * price.output;
    // Ten decimals are enough for a single token of the cheapest model, and hide rounding errors.
    return Number((micro / 1e6).toFixed(10));
  }
  return undefined;
}

/** Finds the price of a model by its exact name, else by its name without the date. */
export function priceOf(prices: Readonly<Record<string, Price>>, model: string): Price | undefined {
  if (Object.hasOwn(prices, model)) return prices[model];
  const undated = model.replace(/-\d{4}-?\d{2}-?\d{2}$/, "");
  return undated !== model && Object.hasOwn(prices, undated) ? prices[undated] : undefined;
}

function detail(details: unknown, name: string): number {
  return isRecord(details) ? count(details[name]) : 0;
}

function count(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) && value > 0 ? Math.floor(value) : 0;
}
