// Budgets as data: their limits and sums, the worst case of a call, and the problem for a refusal. src/durable/budget.ts stores the sums.
import type { BudgetLimits, Price } from "../config/config-schema.ts";
import { isRecord, type JsonObject } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import { priceOf } from "../upstream/usage.ts";

/** One budget that a caller spends from. */
export interface CallerBudget {
  /** Name of the budget's Durable Object. It contains names from the config and digests, never an address, a key or a user name. */
  name: string;
  /**
   * Who shares the budget. `owner` and `user` are the caller alone, `visitor` is one IP address under a publishable key, and `total` is
   * all callers of one kind together.
   */
  whose: "owner" | "user" | "visitor" | "total";
  limits: BudgetLimits;
  /** A session token's own cap on requests. */
  token?: TokenCap;
}

/** Whether the budget limits tokens or money. */
export function hasDayLimit({ limits }: CallerBudget): boolean {
  return limits.tokens_per_day !== undefined || limits.usd_per_day !== undefined;
}

/** How many requests one session token may make. `id` is the token's digest, and `expires` is in Unix seconds. */
export interface TokenCap {
  id: string;
  requests: number;
  expires: number;
}

/** The cost of a call. `nanoUsd` is in billionths of a USD, so that sums are whole numbers. */
export interface Cost {
  tokens: number;
  nanoUsd: number;
}

/** The sums of one budget. `hits` counts the answers from the cache. */
export type Tally = Cost & { requests: number; hits: number };

/**
 * The sums of one UTC day. `day` counts days since 1970. `held` is the part of `tokens` that is held for calls that were not settled. Some
 * of them never will be, because their outcome is unknown.
 */
export type DaySums = Tally & { day: number; held: number };

/** What a budget has counted. `days` are those of the last 30 days that have requests, newest first. */
export interface BudgetUsage {
  days: DaySums[];
  /** Requests in the current minute. */
  minuteRequests: number;
  /** Requests of one session token. */
  tokenRequests: number;
}

/** The methods of one budget's Durable Object. `at` is the caller's time in milliseconds since 1970. */
export interface BudgetMethods {
  /** Counts one request. @returns the limit that the request exceeds, in which case it is not counted; null if there is none */
  admit: (at: number, perMinute: number | undefined, token: TokenCap | undefined) => Promise<ExceededLimit | null>;
  /**
   * Adds a call's worst case to the sums of the day. `settle` replaces it.
   * @returns the limit that the worst case exceeds, in which case nothing is added; null if there is none
   */
  hold: (at: number, id: string, worst: Cost, limits: BudgetLimits) => Promise<ExceededLimit | null>;
  /** Replaces a hold with the real cost, on the day of the hold. Does nothing if the id is unknown or already settled. */
  settle: (id: string, cost: Cost) => Promise<void>;
  /** Adds to the sums of the day, even beyond the limits. */
  count: (at: number, tally: Tally) => Promise<void>;
  usage: (at: number, tokenId?: string) => Promise<BudgetUsage>;
}

/** The limit that refused a request. `retryAfter` is in seconds. */
export interface ExceededLimit {
  limit: "requests_per_minute" | "tokens_per_day" | "usd_per_day" | "requests";
  retryAfter: number;
}

/**
 * More than most models charge for a large image. The size of an image in bytes does not determine its tokens. Counting a data URL as text
 * would refuse every image.
 */
const IMAGE_TOKENS = 5_000;
/** Assumed for a conversation of unknown length, if the config has no `max_context_tokens`. */
const CONTEXT_TOKENS = 128_000;
/**
 * The output limit of a restricted caller's call, if neither its preset nor the config sets one. The hold of a call without a limit assumes
 * as much.
 */
export const OUTPUT_TOKENS = 16_384;

/**
 * Estimates the tokens and the cost of the most expensive answer that this call could get.
 * @param models all models that may be called; the most expensive one determines the cost
 * @param parentTokens total tokens of the parent turn; 0 if there is no parent, undefined if the number is unknown
 */
export function worstCase(
  body: JsonObject,
  models: readonly string[],
  parentTokens: number | undefined,
  config: { limits: { max_context_tokens?: number | undefined }; prices: Readonly<Record<string, Price>> },
): Cost {
  const size = { bytes: 0, images: 0 };
  measure(body, size);
  const input =
    Math.ceil(size.bytes / 2) +
    size.images * IMAGE_TOKENS +
    (parentTokens ?? config.limits.max_context_tokens ?? CONTEXT_TOKENS);
  const output = typeof body["max_output_tokens"] === "number" ? body["max_output_tokens"] : OUTPUT_TOKENS;
  const prices = models.flatMap((model) => priceOf(config.prices, model) ?? []);
  const usdPerMillion = Math.max(
    0,
    ...prices.map((price) => input * Math.max(price.input, price.cached) + output * price.output),
  );
  return { tokens: input + output, nanoUsd: Math.ceil(usdPerMillion * 1_000) };
}

const encoder = new TextEncoder();

/** Adds the size of all keys, strings and numbers in bytes, and the number of images, to `size`. */
function measure(root: unknown, size: { bytes: number; images: number }): void {
  const pending: unknown[] = [root];
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (typeof value === "string") size.bytes += encoder.encode(value).length;
    else if (typeof value === "number") size.bytes += 8;
    else if (Array.isArray(value)) {
      // Not `push(...value)`: a list may have more items than a call can have arguments.
      for (const item of value as unknown[]) pending.push(item ?? "");
    } else if (isRecord(value)) {
      const isImage = value["type"] === "input_image" && typeof value["image_url"] === "string";
      if (isImage) size.images += 1;
      for (const [key, member] of Object.entries(value)) {
        size.bytes += key.length;
        if (!(isImage && key === "image_url")) pending.push(member ?? "");
      }
    }
  }
}

const WHOSE: Record<CallerBudget["whose"], string> = {
  owner: "this caller",
  user: "this user",
  visitor: "this visitor",
  total: "all callers of this kind together",
};

/** The problem for a request that exceeds a budget. */
export function budgetExceeded(budget: CallerBudget, { limit, retryAfter }: ExceededLimit): Problem {
  const more =
    limit === "tokens_per_day" || limit === "usd_per_day"
      ? " A shorter request with a smaller max_output_tokens may still fit."
      : "";
  return new Problem(
    "budget_exceeded",
    `The limit \`${limit}\` of ${WHOSE[budget.whose]} does not allow this request now. Try again in ${retryAfter} s.${more}`,
    { retryAfter, reason: `${budget.whose} ${limit}` },
  );
}
