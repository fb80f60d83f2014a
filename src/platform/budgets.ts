// Budgets, with one Durable Object each (src/durable/budget.ts). A request waits for an object only if that budget has a limit. Sums that
// only GET /usage shows are added up in the isolate and sent from time to time.
import {
  budgetExceeded,
  type BudgetMethods,
  type BudgetUsage,
  type CallerBudget,
  type Cost,
  hasDayLimit,
  type Tally,
} from "../core/callers/budget.ts";
import { misconfigured } from "../core/config/setting.ts";
import { Problem } from "../core/lib/problem.ts";
import { within } from "./io/within.ts";

/** An object that does not answer within this time counts as unreachable. */
const BUDGET_TIMEOUT_MS = 5_000;
/** Pauses before a settlement is sent again, in milliseconds. If all attempts fail, the whole hold counts as spent. */
const SETTLE_RETRIES_MS = [200, 1_000, 4_000];
/** The most budgets whose unsent sums one isolate stores. */
const MAX_PENDING = 10_000;

type WaitUntil = (work: Promise<unknown>) => void;

/** The worst case of one call, held in each budget with a daily limit. Only the first call of `settle` or `release` has an effect. */
export interface Hold {
  /** Replaces the worst case with the real cost. */
  settle: (cost: Cost) => void;
  /** Gives the whole amount back to the budgets. Call this if upstream billed nothing. */
  release: () => void;
}

export interface Budgets {
  /**
   * Counts one request against `requests_per_minute` and a session token's own cap.
   * @throws Problem budget_exceeded, misconfigured, unavailable
   */
  admit: (budgets: readonly CallerBudget[]) => Promise<void>;
  /**
   * Holds a call's worst case in every budget with a daily limit. If one of them refuses or can't be reached, the others release it.
   * @throws Problem budget_exceeded, misconfigured, unavailable
   */
  hold: (budgets: readonly CallerBudget[], worst: Cost, waitUntil: WaitUntil) => Promise<Hold>;
  /** Adds to the sums of GET /usage. `cost` is ignored for a budget with a daily limit: its hold is settled instead. */
  count: (
    budgets: readonly CallerBudget[],
    amounts: { requests?: number; hits?: number; cost?: Cost },
    waitUntil: WaitUntil,
  ) => void;
  /** Reads what the budget has counted. @throws Problem misconfigured, unavailable */
  usage: (budget: CallerBudget) => Promise<BudgetUsage>;
}

export interface BudgetsBinding {
  getByName: (name: string) => BudgetMethods;
}

interface BudgetsOptions {
  now: () => number;
  sleep: (ms: number) => Promise<void>;
  random: (bytes: number) => string;
  warn: (event: string, error?: unknown) => void;
  /** The shortest time between two reports of this isolate to one object, in milliseconds. */
  reportEveryMs: number;
}

export function createBudgets(binding: BudgetsBinding | undefined, options: BudgetsOptions): Budgets {
  const { now, random, sleep, warn } = options;

  /** Gets a new stub for each call, because a stub that has failed remains broken. @throws Problem misconfigured, unavailable */
  async function callObject<T>(name: string, call: (object: BudgetMethods) => Promise<T>): Promise<T> {
    if (binding === undefined)
      throw misconfigured("BUDGETS", "is not bound: wrangler.toml must name the Durable Object");
    try {
      return await within(BUDGET_TIMEOUT_MS, call(binding.getByName(name)));
    } catch (error) {
      warn("budget_unreachable", error);
      throw new Problem(
        "unavailable",
        "This caller's budget can't be read at the moment. Send the request again in a moment.",
        { retryAfter: 5, reason: "budget" },
      );
    }
  }

  async function settle(name: string, id: string, cost: Cost): Promise<void> {
    for (const pause of [0, ...SETTLE_RETRIES_MS]) {
      if (pause > 0) await sleep(pause);
      try {
        await callObject(name, (object) => object.settle(id, cost));
        return;
      } catch {
        // callObject has logged the error.
      }
    }
    warn("budget_not_settled");
  }

  const report = usageReporter(async (name, tally) => {
    try {
      await binding?.getByName(name).count(now(), tally);
      return true;
    } catch (error) {
      warn("usage_not_counted", error);
      return false;
    }
  }, options);

  return {
    async admit(budgets) {
      for (const budget of budgets) {
        const perMinute = budget.limits.requests_per_minute;
        if (perMinute === undefined && budget.token === undefined) continue;
        const exceeded = await callObject(budget.name, (object) => object.admit(now(), perMinute, budget.token));
        if (exceeded !== null) throw budgetExceeded(budget, exceeded);
      }
    },
    async hold(budgets, worst, waitUntil) {
      const id = random(16);
      const names: string[] = [];
      let isOpen = true;
      const end = (cost: Cost): void => {
        if (!isOpen || binding === undefined) return;
        isOpen = false;
        waitUntil(Promise.all(names.map((name) => settle(name, id, cost))));
      };
      for (const budget of budgets) {
        if (!hasDayLimit(budget)) continue;
        names.push(budget.name);
        try {
          const exceeded = await callObject(budget.name, (object) => object.hold(now(), id, worst, budget.limits));
          if (exceeded !== null) throw budgetExceeded(budget, exceeded);
        } catch (error) {
          // Releases the hold in this budget too, since its object may have received the call although the reply was lost.
          end({ tokens: 0, nanoUsd: 0 });
          throw error;
        }
      }
      return { settle: end, release: () => end({ tokens: 0, nanoUsd: 0 }) };
    },
    count(budgets, { requests = 0, hits = 0, cost }, waitUntil) {
      if (binding === undefined) return;
      for (const budget of budgets) {
        // GET /usage never shows a visitor's sums, so a visitor's object only enforces limits.
        if (budget.whose === "visitor") continue;
        const { tokens, nanoUsd } = cost === undefined || hasDayLimit(budget) ? { tokens: 0, nanoUsd: 0 } : cost;
        if (requests + hits + tokens + nanoUsd > 0) report(budget.name, { requests, hits, tokens, nanoUsd }, waitUntil);
      }
    },
    usage: (budget) => callObject(budget.name, (object) => object.usage(now(), budget.token?.id)),
  };
}

interface PendingSums {
  sums: Tally;
  /** Milliseconds since 1970. */
  sentAt: number;
  /** Whether a request is waiting to send the sums. */
  isScheduled: boolean;
}

/**
 * Adds up sums by budget name, and sends those of one name at most once per `reportEveryMs`, unless more than MAX_PENDING names are in use.
 * A report is sent immediately if it is due, or else when it becomes due. Sums that could not be sent are added to the next report.
 * @param send resolves to false if the object could not be reached
 */
function usageReporter(
  send: (name: string, tally: Tally) => Promise<boolean>,
  { now, sleep, warn, reportEveryMs }: BudgetsOptions,
): (name: string, tally: Tally, waitUntil: WaitUntil) => void {
  /** In the order of their last reports, oldest first. */
  const pending = new Map<string, PendingSums>();

  async function flush(name: string): Promise<void> {
    const entry = pending.get(name);
    if (entry === undefined) return;
    const { sums } = entry;
    pending.delete(name);
    pending.set(name, { sums: NOTHING, sentAt: now(), isScheduled: false });
    await sendOrRestore(name, sums);
  }

  async function sendOrRestore(name: string, sums: Tally): Promise<void> {
    if (isNothing(sums) || (await send(name, sums))) return;
    const entry = pending.get(name);
    if (entry !== undefined) entry.sums = plus(entry.sums, sums);
    else if (pending.size < MAX_PENDING) pending.set(name, { sums, sentAt: now(), isScheduled: false });
    else warn("usage_dropped");
  }

  /** Makes room for one more name. Sends only one report, because a request may make at most 1,000 calls. */
  function evictOldest(waitUntil: WaitUntil): void {
    const [oldest] = pending;
    if (oldest === undefined) return;
    const [name, { sums }] = oldest;
    pending.delete(name);
    if (!isNothing(sums)) waitUntil(sendOrRestore(name, sums));
  }

  return (name, tally, waitUntil) => {
    let entry = pending.get(name);
    if (entry === undefined) {
      if (pending.size >= MAX_PENDING) evictOldest(waitUntil);
      pending.set(name, (entry = { sums: NOTHING, sentAt: -Infinity, isScheduled: false }));
    }
    entry.sums = plus(entry.sums, tally);
    // An overdue report means that the request that scheduled it ended early.
    if (entry.isScheduled && now() - entry.sentAt < 2 * reportEveryMs) return;
    const wait = Math.max(0, entry.sentAt + reportEveryMs - now());
    entry.isScheduled = true;
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
