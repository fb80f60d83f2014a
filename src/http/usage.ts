// GET /usage: the caller's usage today and in the last 30 days, its limits, and what remains of them.
import { Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import type { CallerBudget, DaySums } from "../core/callers/budget.ts";
import type { UsageDay, UsageLimits, UsageReport, UsageSums } from "../contract/usage.ts";
import { Problem } from "../core/lib/problem.ts";
import { admit } from "../gate/admit.ts";
import { json } from "./respond/response.ts";

const DAY_MS = 86_400_000;
/** Number of UTC days in the report, including today. */
const DAYS = 30;

export const usageRoutes = new Hono<AppEnv>().get("/", async (c) => {
  const { deps } = c.var;
  const caller = await admit(deps, c.req.raw, c.var);
  const [own] = caller.budgets;
  // All visitors of a publishable key are one owner; one visitor must not learn their total.
  if (caller.kind === "publishable" || own === undefined) {
    throw new Problem("insufficient_scope", "A publishable key can't read usage. Use a session token or a server key.");
  }
  const { days, minuteRequests, tokenRequests } = await deps.budgets.usage(own);
  const today = Math.floor(deps.now() / DAY_MS);
  const shown = days.filter(({ day }) => day > today - DAYS && day <= today);
  const now = shown.find(({ day }) => day === today) ?? { ...NOTHING, day: today };
  return json(c, {
    today: dayOf(now),
    days: shown.map(dayOf),
    total: sumOf(shown),
    limits: limitsOf(own),
    left: remainingOf(own, now, minuteRequests, tokenRequests),
  } satisfies UsageReport);
});

const NOTHING: Omit<DaySums, "day"> = { requests: 0, hits: 0, tokens: 0, nanoUsd: 0, held: 0 };

function dayOf(sums: DaySums): UsageDay {
  return { date: new Date(sums.day * DAY_MS).toISOString().slice(0, 10), ...shownOf(sums) };
}

function shownOf({ requests, hits, tokens, nanoUsd, held }: Omit<DaySums, "day">): UsageSums {
  return { requests, hits, tokens, cost_usd: nanoUsd / 1e9, reserved_tokens: held };
}

function sumOf(days: readonly DaySums[]): UsageSums {
  const sum = { ...NOTHING };
  for (const day of days)
    for (const key of ["requests", "hits", "tokens", "nanoUsd", "held"] as const) sum[key] += day[key];
  return shownOf(sum);
}

/** Returns the limits of a budget, and the maximum number of requests of its session token. */
function limitsOf({ limits, token }: CallerBudget): UsageLimits {
  return { ...limits, ...(token === undefined ? {} : { requests: token.requests }) };
}

/** Returns what remains of each limit. `tokens` includes the held tokens, so these count as used. */
function remainingOf(
  { limits, token }: CallerBudget,
  today: DaySums,
  minuteRequests: number,
  tokenRequests: number,
): UsageLimits {
  const { requests_per_minute, tokens_per_day, usd_per_day } = limits;
  return {
    ...(requests_per_minute === undefined
      ? {}
      : { requests_per_minute: Math.max(0, requests_per_minute - minuteRequests) }),
    ...(token === undefined ? {} : { requests: Math.max(0, token.requests - tokenRequests) }),
    ...(tokens_per_day === undefined ? {} : { tokens_per_day: Math.max(0, tokens_per_day - today.tokens) }),
    ...(usd_per_day === undefined
      ? {}
      : { usd_per_day: Math.max(0, Math.round(usd_per_day * 1e9 - today.nanoUsd) / 1e9) }),
  };
}
