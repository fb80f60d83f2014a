// Budgets as the path uses them: the objects that count, asked only where there are limits, and told of the rest now and then.
import {
  budgetExceeded,
  type CallerBudget,
  type Cost,
  type DaySums,
  type ExceededLimit,
  type Tally,
  type TokenCap,
} from "../core/callers/budget.ts";
import type { BudgetLimits } from "../core/config/config-schema.ts";
import { Problem } from "../core/lib/problem.ts";

/** An object that does not answer is taken for unreachable. */
const BUDGET_TIMEOUT_MS = 5_000;
/** Pauses before a settlement is told again, in milliseconds. Untold, the reservation stays. */
const SETTLE_AGAIN_MS = [200, 1_000, 4_000];
/** Budgets whose sums wait in this isolate. */
const MAX_WAITING = 10_000;

type Later = (work: Promise<unknown>) => void;

export interface Reservation {
  /** What it really cost. Only the first word counts. */
  settle: (cost: Cost) => void;
  /** Nothing was paid. */
  release: () => void;
}

export interface Budgets {
  /** Counts one request at the gate. @throws Problem budget_exceeded, unavailable */
  admit: (budgets: readonly CallerBudget[]) => Promise<void>;
  /** A call's worst case, from every budget with a limit on tokens or USD, or from none. @throws Problem budget_exceeded, unavailable */
  reserve: (budgets: readonly CallerBudget[], worst: Cost, waitUntil: Later) => Promise<Reservation>;
  /** For usage. `cost` counts where nothing is reserved. */
  count: (
    budgets: readonly CallerBudget[],
    what: { requests?: number; hits?: number; cost?: Cost },
    waitUntil: Later,
  ) => void;
  /** @throws Problem unavailable */
  usage: (budget: CallerBudget) => Promise<{ days: DaySums[]; inMinute: number; ofToken: number }>;
}

/** One object's methods (objects/budget.ts), as RPC gives them. */
interface BudgetStub {
  admit: (at: number, perMinute: number | undefined, token: TokenCap | undefined) => Promise<ExceededLimit | null>;
  reserve: (at: number, id: string, worst: Cost, limits: BudgetLimits) => Promise<ExceededLimit | null>;
  settle: (id: string, cost: Cost) => Promise<void>;
  count: (at: number, tally: Tally) => Promise<void>;
  usage: (at: number, tokenId?: string) => Promise<{ days: DaySums[]; inMinute: number; ofToken: number }>;
}

export interface BudgetsBinding {
  getByName: (name: string) => BudgetStub;
}

interface BudgetsOptions {
  now: () => number;
  sleep: (ms: number) => Promise<void>;
  random: (bytes: number) => string;
  warn: (event: string, error?: unknown) => void;
  /** Milliseconds in which an isolate tells a budget its sums at most once. */
  reportEveryMs: number;
}

export function durableBudgets(binding: BudgetsBinding | undefined, outside: BudgetsOptions): Budgets {
  const { now, random, sleep, warn } = outside;

  /** A fresh stub each time: one that has failed stays broken. @throws Problem */
  async function ask<T>(name: string, question: (stub: BudgetStub) => Promise<T>): Promise<T> {
    if (binding === undefined) {
      throw new Problem(
        "misconfigured",
        "This Worker's binding BUDGETS is missing: wrangler.toml must name the Durable Object.",
        {
          reason: "BUDGETS",
        },
      );
    }
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error("late")), BUDGET_TIMEOUT_MS);
      });
      return await Promise.race([question(binding.getByName(name)), late]);
    } catch (error) {
      warn("budget_unreachable", error);
      throw new Problem(
        "unavailable",
        "This caller's budget can't be read at the moment. Send the request again in a moment.",
        {
          retryAfter: 5,
          reason: "budget",
        },
      );
    } finally {
      if (timer !== undefined) clearTimeout(timer);
    }
  }

  async function settle(name: string, id: string, cost: Cost): Promise<void> {
    for (const pause of [0, ...SETTLE_AGAIN_MS]) {
      if (pause > 0) await sleep(pause);
      try {
        await ask(name, (stub) => stub.settle(id, cost));
        return;
      } catch {
        // Said by ask; told again below.
      }
    }
    warn("budget_not_settled");
  }

  const tell = usageReporter(async (name, tally) => {
    try {
      await binding?.getByName(name).count(now(), tally);
    } catch (error) {
      warn("usage_not_counted", error);
      throw error;
    }
  }, outside);

  return {
    async admit(budgets) {
      for (const budget of budgets) {
        const perMinute = budget.limits.requests_per_minute;
        if (perMinute === undefined && budget.token === undefined) continue;
        const refused = await ask(budget.name, (stub) => stub.admit(now(), perMinute, budget.token));
        if (refused !== null) throw budgetExceeded(budget, refused);
      }
    },
    async reserve(budgets, worst, waitUntil) {
      const id = random(16);
      const held: string[] = [];
      let open = true;
      const end = (cost: Cost): void => {
        if (!open || binding === undefined) return;
        open = false;
        waitUntil(Promise.all(held.map((name) => settle(name, id, cost))));
      };
      for (const budget of budgets) {
        if (!hasDayLimit(budget)) continue;
        held.push(budget.name);
        try {
          const refused = await ask(budget.name, (stub) => stub.reserve(now(), id, worst, budget.limits));
          if (refused !== null) throw budgetExceeded(budget, refused);
        } catch (error) {
          // Also of the one that did not answer: it may have heard.
          end({ tokens: 0, nanoUsd: 0 });
          throw error;
        }
      }
      return { settle: end, release: () => end({ tokens: 0, nanoUsd: 0 }) };
    },
    count(budgets, { requests = 0, hits = 0, cost }, waitUntil) {
      if (binding === undefined) return;
      for (const budget of budgets) {
        // Nobody reads a visitor's sums: they are for its limits alone.
        if (budget.whose === "visitor") continue;
        const { tokens, nanoUsd } = cost === undefined || hasDayLimit(budget) ? { tokens: 0, nanoUsd: 0 } : cost;
        if (requests + hits + tokens + nanoUsd > 0) tell(budget.name, { requests, hits, tokens, nanoUsd }, waitUntil);
      }
    },
    usage: (budget) => ask(budget.name, (stub) => stub.usage(now(), budget.token?.id)),
  };
}

export function hasDayLimit({ limits }: CallerBudget): boolean {
  return limits.tokens_per_day !== undefined || limits.usd_per_day !== undefined;
}

/**
 * Adds up by name and tells each name's sums at most once in a while: at once if it was long ago, else when that while is over. What
 * could not be told waits for the next time.
 */
function usageReporter(
  say: (name: string, tally: Tally) => Promise<void>,
  { now, sleep, reportEveryMs: tellEveryMs }: BudgetsOptions,
): (name: string, tally: Tally, waitUntil: Later) => void {
  const waiting = new Map<string, { sums: Tally; toldAt: number; awaited: boolean }>();

  async function flush(name: string): Promise<void> {
    const one = waiting.get(name);
    if (one === undefined) return;
    const { sums } = one;
    one.awaited = false;
    one.toldAt = now();
    one.sums = NOTHING;
    if (isNothing(sums)) return;
    try {
      await say(name, sums);
    } catch {
      one.sums = plus(one.sums, sums);
    }
  }

  return (name, tally, waitUntil) => {
    if (waiting.size >= MAX_WAITING && !waiting.has(name)) {
      for (const [other, { sums, awaited }] of waiting) if (!awaited && isNothing(sums)) waiting.delete(other);
      // While the objects can't be reached: what is oldest is lost, not the isolate.
      for (const other of waiting.keys()) {
        if (waiting.size < MAX_WAITING / 2) break;
        waiting.delete(other);
      }
    }
    const one = waiting.get(name) ?? { sums: NOTHING, toldAt: -Infinity, awaited: false };
    waiting.set(name, one);
    one.sums = plus(one.sums, tally);
    if (one.awaited && now() - one.toldAt < 2 * tellEveryMs) return;
    const wait = Math.max(0, one.toldAt + tellEveryMs - now());
    one.awaited = true;
    waitUntil(wait === 0 ? flush(name) : sleep(wait).then(() => flush(name)));
  };
}

const NOTHING: Tally = { requests: 0, hits: 0, tokens: 0, nanoUsd: 0 };
const isNothing = ({ requests, hits, tokens, nanoUsd }: Tally): boolean => requests + hits + tokens + nanoUsd === 0;

function plus(a: Tally, b: Tally): Tally {
  return {
    requests: a.requests + b.requests,
    hits: a.hits + b.hits,
    tokens: a.tokens + b.tokens,
    nanoUsd: a.nanoUsd + b.nanoUsd,
  };
}
