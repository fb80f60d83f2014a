// What a budget is: its limits, what a call may cost at worst, and how a refusal reads. The sums are kept by objects/budget.ts.
import type { BudgetLimits } from "../config/config-schema.ts";
import { isRecord, type JsonObject } from "../lib/json.ts";
import { Problem } from "../lib/problem.ts";
import type { Price } from "../upstream/usage.ts";
import { priceOf } from "../upstream/usage.ts";

/** One budget that a caller spends from. */
export interface CallerBudget {
  /** Name of its object: holds no address, key or user name, only digests of them and names from the config. */
  name: string;
  /** `owner` and `user`: the caller's own; `visitor`: one address under a publishable key; `total`: all callers of one kind together. */
  whose: "owner" | "user" | "visitor" | "total";
  limits: BudgetLimits;
  /** A session token's own cap on requests. */
  token?: TokenCap;
}

/** How many requests a token is good for; `id` is its digest, `expires` in unix seconds. */
export interface TokenCap {
  id: string;
  requests: number;
  expires: number;
}

/** Tokens, and USD in billionths, so that sums stay whole numbers. */
export interface Cost {
  tokens: number;
  nanoUsd: number;
}

export type Tally = Cost & { requests: number; hits: number };

/** `day` in days since 1970. `reserved`: the part of `tokens` that calls under way hold, or lost ones. */
export type DaySums = Tally & { day: number; reserved: number };

/** A limit that is reached. `retryAfter` in seconds. */
export interface ExceededLimit {
  limit: "requests_per_minute" | "tokens_per_day" | "usd_per_day" | "requests";
  retryAfter: number;
}

/** An image's bytes say nothing of its tokens, and half of a data URL's would refuse every picture. More than a large one costs at most models. */
const IMAGE_TOKENS = 5_000;
/** Of a conversation whose length nobody knows, where the config does not say. */
const CONTEXT_TOKENS = 128_000;
/** What a call is held to, and reserves, where the config sets no `max_output_tokens`. */
export const OUTPUT_TOKENS = 16_384;

/** @param parentTokens of the turn that is continued: 0 for none, undefined if not known */
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
    ...prices.map((price) => input * Math.max(price.input, price.cached ?? 0) + output * price.output),
  );
  return { tokens: input + output, nanoUsd: Math.ceil(usdPerMillion * 1_000) };
}

const encoder = new TextEncoder();

/** UTF-8 bytes of all keys and texts, and the images among them. */
function measure(value: unknown, size: { bytes: number; images: number }): void {
  const rest: unknown[] = [value];
  for (let one = rest.pop(); one !== undefined; one = rest.pop()) {
    if (typeof one === "string") size.bytes += encoder.encode(one).length;
    else if (typeof one === "number") size.bytes += 8;
    else if (Array.isArray(one)) {
      // Not as arguments of one push: a list may be longer than a call takes.
      for (const inner of one as unknown[]) rest.push(inner ?? "");
    } else if (isRecord(one)) {
      const image = one["type"] === "input_image" && typeof one["image_url"] === "string";
      if (image) size.images += 1;
      for (const [key, inner] of Object.entries(one)) {
        size.bytes += key.length;
        if (!(image && key === "image_url")) rest.push(inner ?? "");
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
