// Reads the tokens of a response and computes their cost. Prices come from the config, in USD per million tokens.
import type { Usage } from "../../contract/answer.ts";
import type { Price } from "../config/config-schema.ts";
import { isRecord, type JsonObject } from "../lib/json.ts";
import { readOutput } from "./output.ts";

/** The names of the Responses API, and those of the Chat Completions API, from which many relays convert. Some send both. */
const FAMILIES = [
  ["input_tokens", "output_tokens"],
  ["prompt_tokens", "completion_tokens"],
] as const;
/** Where relays count the input tokens that were read from a cache: in details, or beside the tokens. */
const CACHED = ["cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens"] as const;
/** Anthropic's input tokens exclude these. */
const CACHE_TOKENS = ["cache_read_input_tokens", "cache_creation_input_tokens"] as const;
/** Names that OpenAI's own usage does not have. */
const UNUSUAL = [
  "prompt_tokens",
  "completion_tokens",
  "prompt_tokens_details",
  "completion_tokens_details",
  ...CACHED,
  ...CACHE_TOKENS,
] as const;
/** No call uses more tokens, so a larger number is wrong. */
const MAX_TOKENS = 1e9;

/**
 * Returns the usage of a response. A usage without output tokens counts as unknown if the response has output.
 * @returns null if the usage is missing or unknown
 */
export function usageOfResponse(response: JsonObject): Usage | null {
  const usage = usageOf(response["usage"]);
  return usage?.output_tokens === 0 && hasOutput(response) ? null : usage;
}

function hasOutput(response: JsonObject): boolean {
  const { text, refusal, toolCalls } = readOutput(response);
  return text !== "" || refusal !== "" || toolCalls.length > 0;
}

/**
 * Converts the `usage` of a response object to that of an answer. A usage is unknown if its names are, if a part is missing or impossible,
 * or if the parts contradict the total. An unknown usage does not become 0 tokens, because the call would then be free in every budget.
 * @returns null if the usage is missing or unknown
 */
export function usageOf(usage: unknown): Usage | null {
  if (!isRecord(usage)) return null;
  return plainUsageOf(usage) ?? unusualUsageOf(usage);
}

/** Reads a usage as OpenAI sends it, in a fiftieth of the time that unusualUsageOf takes. @returns undefined for any other usage */
function plainUsageOf(usage: JsonObject): Usage | undefined {
  for (const name of UNUSUAL) if (name in usage) return undefined;
  const input = countOf(usage["input_tokens"]);
  const output = countOf(usage["output_tokens"]);
  const read = usage["input_tokens_details"];
  const written = usage["output_tokens_details"];
  if (input === undefined || input === 0 || output === undefined || !isRecord(read) || !isRecord(written))
    return undefined;
  const cached = countOf(read["cached_tokens"]);
  const reasoning = countOf(written["reasoning_tokens"]);
  const isPlain =
    cached !== undefined &&
    cached <= input &&
    reasoning !== undefined &&
    reasoning <= output &&
    input + output === usage["total_tokens"] &&
    input + output <= MAX_TOKENS &&
    !("prompt_cache_hit_tokens" in read || "cache_read_input_tokens" in read);
  if (!isPlain) return undefined;
  return usageFrom({ input, cached, output, reasoning });
}

function unusualUsageOf(usage: JsonObject): Usage | null {
  const inputDetails = detailsOf(
    usage,
    FAMILIES.map(([input]) => `${input}_details`),
  );
  const outputDetails = detailsOf(
    usage,
    FAMILIES.map(([, output]) => `${output}_details`),
  );
  const reasoning = largestOf(outputDetails, ["reasoning_tokens"]);
  const parts = partsOf(usage, reasoning);
  if (parts === null) return null;
  const [input, output] = parts;
  const cached = largestOf([usage, ...inputDetails], CACHED);
  // Cached input is cheaper and reasoning is billed as output, so a part that is larger than its total would make the cost too low.
  if (cached > input || reasoning > output) return null;
  return usageFrom({ input, cached, output, reasoning });
}

type Counts = Record<"input" | "cached" | "output" | "reasoning", number>;

function usageFrom({ input, cached, output, reasoning }: Counts): Usage {
  return {
    input_tokens: input,
    cached_tokens: cached,
    output_tokens: output,
    reasoning_tokens: reasoning,
    total_tokens: input + output,
  };
}

type Parts = readonly [input: number, output: number];

/** Returns the input and output tokens on which all names and the total agree; null if they disagree or are missing. */
function partsOf(usage: JsonObject, reasoning: number): Parts | null {
  const total = totalOf(usage);
  const families = FAMILIES.flatMap(([inputName, outputName]): Parts[] => {
    const input = countOf(usage[inputName]);
    const output = countOf(usage[outputName]);
    // There is no call without input. Relays send zeros under the names that they don't fill.
    return input === undefined || input === 0 || output === undefined ? [] : [[input, output]];
  });
  const cache = CACHE_TOKENS.reduce((sum, name) => sum + (countOf(usage[name]) ?? 0), 0);
  const fits = ([input, output]: Parts): boolean => input + output === total;
  const candidates = families
    .map(([input, output]): Parts | undefined => {
      if (total === undefined) return [input + cache, output];
      // Some vendors count cached input or reasoning only in the total.
      return (
        [
          [input, output],
          [input + cache, output],
          [input, output + reasoning],
        ] satisfies Parts[]
      ).find(fits);
    })
    .filter((parts) => parts !== undefined);
  const [first] = candidates;
  const agrees = candidates.every(([input, output]) => input === first?.[0] && output === first[1]);
  return first === undefined || !agrees || first[0] + first[1] > MAX_TOKENS ? null : first;
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

/** Returns the usage's own total; undefined if it has none. A total of 0 is ignored if a family is all zeros, to which it belongs. */
function totalOf(usage: JsonObject): unknown {
  const total = usage["total_tokens"] ?? undefined;
  const hasZeros = FAMILIES.some(([input, output]) => usage[input] === 0 && usage[output] === 0);
  return total === 0 && hasZeros ? undefined : total;
}

function detailsOf(usage: JsonObject, names: readonly string[]): JsonObject[] {
  return names.map((name) => usage[name]).filter(isRecord);
}

/** Returns the largest count of these names; 0 if there is none. */
function largestOf(places: readonly JsonObject[], names: readonly string[]): number {
  return Math.max(0, ...places.flatMap((place) => names.map((name) => countOf(place[name]) ?? 0)));
}

/** Returns a number of tokens; undefined if the value can't be one. */
function countOf(value: unknown): number | undefined {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= MAX_TOKENS
    ? (value as number)
    : undefined;
}
