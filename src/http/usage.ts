// GET /usage: what the caller has used today and in the last 30 days, what limits it, and what is left of them.
import { Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import type { CallerBudget, DaySums } from "../core/callers/budget.ts";
import type { UsageDay, UsageLimits, UsageReport, UsageSums } from "../contract/usage.ts";
import { methodNotAllowed, Problem } from "../core/lib/problem.ts";
import { admit } from "../gate/admit.ts";

const DAY_MS = 86_400_000;
/** UTC days, today included. */
const DAYS = 30;

export const usageRoutes = new Hono<AppEnv>()
  .get("/usage", async (c) => {
    const { deps, logFields } = c.var;
    const caller = await admit(deps, c.req.raw, { logFields, waitUntil: (work) => c.executionCtx.waitUntil(work) });
    const [own] = caller.budgets;
    // All visitors of a publishable key are one owner: what they use together is not a visitor's to know.
    if (caller.kind === "publishable" || own === undefined) {
      throw new Problem(
        "insufficient_scope",
        "A publishable key can't read usage. Use a session token or a server key.",
      );
    }
    const { days, inMinute, ofToken } = await deps.budgets.usage(own);
    const today = Math.floor(deps.now() / DAY_MS);
    const shown = days.filter(({ day }) => day > today - DAYS && day <= today);
    const now = shown.find(({ day }) => day === today) ?? { ...NOTHING, day: today };
    return c.json(
      {
        today: dayOf(now),
        days: shown.map(dayOf),
        total: sumOf(shown),
        limits: limitsOf(own),
        left: leftOf(own, now, inMinute, ofToken),
      } satisfies UsageReport,
      200,
      { "cache-control": "no-store" },
    );
  })
  .all("/usage", () => {
    throw methodNotAllowed("GET, HEAD");
  });

const NOTHING: Omit<DaySums, "day"> = { requests: 0, hits: 0, tokens: 0, nanoUsd: 0, reserved: 0 };

function dayOf(sums: DaySums): UsageDay {
  return { date: new Date(sums.day * DAY_MS).toISOString().slice(0, 10), ...shownOf(sums) };
}

function shownOf({ requests, hits, tokens, nanoUsd, reserved }: Omit<DaySums, "day">): UsageSums {
  return { requests, hits, tokens, cost_usd: nanoUsd / 1e9, reserved_tokens: reserved };
}

function sumOf(days: readonly DaySums[]): UsageSums {
  const sum = { ...NOTHING };
  for (const day of days)
    for (const key of ["requests", "hits", "tokens", "nanoUsd", "reserved"] as const) sum[key] += day[key];
  return shownOf(sum);
}

/** With what the session token itself is held to. */
function limitsOf({ limits, token }: CallerBudget): UsageLimits {
  return { ...limits, ...(token === undefined ? {} : { requests: token.requests }) };
}

/** What is reserved counts as used. */
function leftOf({ limits, token }: CallerBudget, today: DaySums, inMinute: number, ofToken: number): UsageLimits {
  const { requests_per_minute, tokens_per_day, usd_per_day } = limits;
  return {
    ...(requests_per_minute === undefined ? {} : { requests_per_minute: Math.max(0, requests_per_minute - inMinute) }),
    ...(token === undefined ? {} : { requests: Math.max(0, token.requests - ofToken) }),
    ...(tokens_per_day === undefined ? {} : { tokens_per_day: Math.max(0, tokens_per_day - today.tokens) }),
    ...(usd_per_day === undefined
      ? {}
      : { usd_per_day: Math.max(0, Math.round(usd_per_day * 1e9 - today.nanoUsd) / 1e9) }),
  };
}
