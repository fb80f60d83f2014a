// What a budget is: its limits, what counts against them, and how a refusal reads. The sums themselves are kept by objects/budget.ts.
import type { BudgetLimits } from "./config-schema.ts";
import { Problem } from "./problem.ts";

/** One budget that a caller spends from. */
export interface CallerBudget {
  /** Name of its object: holds no address, key or user name, only digests of them and names from the config. */
  name: string;
  /** `owner` and `user`: the caller's own; `visitor`: one address under a publishable key; `total`: all callers of one kind together. */
  whose: "owner" | "user" | "visitor" | "total";
  limits: BudgetLimits;
  /** A session token's own cap on requests: the token's digest, how many, and until when (unix seconds) it is valid. */
  token?: { id: string; requests: number; expires: number };
}

/** Tokens, and USD in billionths so that sums stay whole numbers. */
export interface Cost {
  tokens: number;
  nanoUsd: number;
}

/** A limit that is reached. `retryAfter` in seconds. */
export interface Refused {
  limit: "requests_per_minute" | "tokens_per_day" | "usd_per_day" | "requests";
  retryAfter: number;
}

const WHOSE: Record<CallerBudget["whose"], string> = {
  owner: "this caller",
  user: "this user",
  visitor: "this visitor",
  total: "all callers of this kind together",
};

export function budgetExceeded(budget: CallerBudget, { limit, retryAfter }: Refused): Problem {
  const more = limit === "tokens_per_day" || limit === "usd_per_day" ? " A shorter request with a smaller max_output_tokens may still fit." : "";
  return new Problem(
    "budget_exceeded",
    `The limit \`${limit}\` of ${WHOSE[budget.whose]} does not allow this request now. Try again in ${retryAfter} s.${more}`,
    { retryAfter, reason: `${budget.whose} ${limit}` },
  );
}
