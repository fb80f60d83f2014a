// The real Durable Object of a budget: its sums are right after any order of events.
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import type { Budget } from "../../src/durable/budget.ts";
import { eachTestAlone } from "./worker.ts";

eachTestAlone();

const DAY_MS = 86_400_000;
/** 10:00 UTC of some day. */
const AT = 20_000 * DAY_MS + 36_000_000;
const TODAY = 20_000;
const LIMITS = { tokens_per_day: 1_000, usd_per_day: 0.001 };

const fresh = (): DurableObjectStub<Budget> => env.BUDGETS.getByName(crypto.randomUUID());
const today = async (budget: ReturnType<typeof fresh>): Promise<object | undefined> => (await budget.usage(AT)).days[0];

describe("a budget's daily limits", () => {
  test("a call that fits gets a hold; a call that does not fit changes nothing and gets the time to retry", async () => {
    const budget = fresh();
    expect(await budget.hold(AT, "a", { tokens: 600, nanoUsd: 1_000 }, LIMITS)).toBeNull();
    expect(await budget.hold(AT, "b", { tokens: 401, nanoUsd: 0 }, LIMITS)).toEqual({
      limit: "tokens_per_day",
      retryAfter: 50_400,
    });
    expect(await budget.hold(AT, "c", { tokens: 0, nanoUsd: 999_001 }, LIMITS)).toEqual({
      limit: "usd_per_day",
      retryAfter: 50_400,
    });
    expect(await budget.hold(AT, "d", { tokens: 400, nanoUsd: 999_000 }, LIMITS)).toBeNull();
    expect(await today(budget)).toEqual({
      day: TODAY,
      requests: 0,
      hits: 0,
      tokens: 1_000,
      nanoUsd: 1_000_000,
      held: 1_000,
    });
  });

  test("a settlement replaces its hold, once, on the day of the hold", async () => {
    const budget = fresh();
    await budget.hold(AT, "a", { tokens: 600, nanoUsd: 1_000 }, LIMITS);
    await budget.settle("a", { tokens: 50, nanoUsd: 10 });
    await budget.settle("a", { tokens: 70, nanoUsd: 20 });
    await budget.settle("never", { tokens: 70, nanoUsd: 20 });
    expect(await today(budget)).toMatchObject({ day: TODAY, tokens: 50, nanoUsd: 10, held: 0 });
    expect(await budget.hold(AT + DAY_MS, "b", { tokens: 1_000, nanoUsd: 0 }, LIMITS)).toBeNull();
    expect((await budget.usage(AT + DAY_MS)).days.map(({ day, tokens }) => [day, tokens])).toEqual([
      [TODAY + 1, 1_000],
      [TODAY, 50],
    ]);
  });

  test("after any sequence of holds, settlements, repeats and crashes, the sums agree and no limit is exceeded", async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("hold" as const), tokens: fc.nat(400), nanoUsd: fc.nat(400_000) }),
      // Never more than was held, since that was the worst case.
      fc.record({
        do: fc.constant("settle" as const),
        which: fc.nat(20),
        part: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      fc.record({ do: fc.constant("crash" as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const name = crypto.randomUUID();
        let budget = env.BUDGETS.getByName(name);
        const calls: { id: string; tokens: number; nanoUsd: number; open: boolean }[] = [];
        const sums = (): { tokens: number; nanoUsd: number } => ({
          tokens: calls.reduce((sum, call) => sum + call.tokens, 0),
          nanoUsd: calls.reduce((sum, call) => sum + call.nanoUsd, 0),
        });
        for (const step of steps) {
          if (step.do === "crash") {
            // An object that has not run yet can't crash.
            await budget.usage(AT);
            await evictDurableObject(budget);
            budget = env.BUDGETS.getByName(name);
          } else if (step.do === "hold") {
            const id = `call-${calls.length}`;
            const { tokens, nanoUsd } = sums();
            const fits =
              tokens + step.tokens <= LIMITS.tokens_per_day && nanoUsd + step.nanoUsd <= LIMITS.usd_per_day * 1e9;
            const refused = await budget.hold(AT, id, { tokens: step.tokens, nanoUsd: step.nanoUsd }, LIMITS);
            expect(refused === null).toBe(fits);
            if (fits) calls.push({ id, tokens: step.tokens, nanoUsd: step.nanoUsd, open: true });
          } else {
            const call = calls[step.which % Math.max(1, calls.length)];
            if (call === undefined) continue;
            const cost = { tokens: Math.floor(call.tokens * step.part), nanoUsd: Math.floor(call.nanoUsd * step.part) };
            await budget.settle(call.id, cost);
            if (call.open) Object.assign(call, cost, { open: false });
          }
          const { days } = await budget.usage(AT);
          const { tokens, nanoUsd, held } = days[0] ?? { tokens: 0, nanoUsd: 0, held: 0 };
          expect({ tokens, nanoUsd }).toEqual(sums());
          expect(held).toBe(calls.filter(({ open }) => open).reduce((sum, call) => sum + call.tokens, 0));
          expect(tokens).toBeLessThanOrEqual(LIMITS.tokens_per_day);
          expect(nanoUsd).toBeLessThanOrEqual(LIMITS.usd_per_day * 1e9);
        }
      }),
      { numRuns: 30 },
    );
  });
});

describe("limits on requests", () => {
  test("a minute has a limit, refused requests do not count, and the next minute begins at zero", async () => {
    const budget = fresh();
    const tries = await Promise.all(Array.from({ length: 8 }, () => budget.admit(AT + 5_000, 3, undefined)));
    expect(tries.filter((result) => result === null)).toHaveLength(3);
    expect(tries.find((result) => result !== null)).toEqual({ limit: "requests_per_minute", retryAfter: 55 });
    expect((await budget.usage(AT + 5_000)).minuteRequests).toBe(3);
    expect(await budget.admit(AT + 60_000, 3, undefined)).toBeNull();
    expect((await budget.usage(AT + 60_000)).minuteRequests).toBe(1);
  });

  test("isolates with different clocks share one minute window", async () => {
    const budget = fresh();
    const results = [];
    for (let n = 0; n < 20; n += 1)
      results.push(await budget.admit(AT + (n % 2 === 0 ? 59_999 : 60_000), 3, undefined));
    // One in the old minute. The second request begins the new minute for all, which admits three.
    expect(results.filter((result) => result === null).length).toBeLessThanOrEqual(4);
  });

  test("a token allows its own number of requests, even after a crash; another token is counted separately", async () => {
    const name = crypto.randomUUID();
    const token = { id: "digest", requests: 2, expires: AT / 1_000 + 600 };
    for (const minute of [0, 1])
      expect(await env.BUDGETS.getByName(name).admit(AT + minute * 60_000, undefined, token)).toBeNull();
    await evictDurableObject(env.BUDGETS.getByName(name));
    const budget = env.BUDGETS.getByName(name);
    expect(await budget.admit(AT + 120_000, undefined, token)).toEqual({ limit: "requests", retryAfter: 480 });
    expect(await budget.admit(AT + 120_000, undefined, { ...token, id: "another" })).toBeNull();
  });
});

/** Whether the object's alarm is set. */
const hasAlarm = (budget: ReturnType<typeof fresh>): Promise<boolean> =>
  runInDurableObject(budget, async (_, { storage }) => (await storage.getAlarm()) !== null);

describe("old days of a budget", () => {
  test("an alarm deletes days that are a month old, and all storage of an unused object", async () => {
    const budget = fresh();
    const old = Date.now() - 40 * DAY_MS;
    await budget.hold(old, "lost", { tokens: 5, nanoUsd: 5 }, LIMITS);
    await budget.count(Date.now(), { requests: 2, hits: 1, tokens: 7, nanoUsd: 7 });
    expect(await runDurableObjectAlarm(budget)).toBe(true);
    expect(await tablesOf(budget)).toEqual({ days: 1, holds: 0, tokens: 0 });
    expect(await hasAlarm(budget), "the remaining day has an alarm, too").toBe(true);
  });

  test.each<[string, (budget: ReturnType<typeof fresh>, at: number) => Promise<unknown>]>([
    ["a lost hold", (budget, at) => budget.hold(at, "lost", { tokens: 5, nanoUsd: 5 }, LIMITS)],
    ["a visitor's one request", (budget, at) => budget.admit(at, 3, undefined)],
    [
      "an expired token",
      (budget, at) => budget.admit(at, undefined, { id: "t", requests: 3, expires: at / 1_000 + 60 }),
    ],
    ["sums", (budget, at) => budget.count(at, { requests: 2, hits: 1, tokens: 7, nanoUsd: 7 })],
  ])("an unused object deletes its storage after %s", async (_name, use) => {
    const budget = fresh();
    await use(budget, Date.now() - 40 * DAY_MS);
    expect(await runDurableObjectAlarm(budget)).toBe(true);
    expect(await runDurableObjectAlarm(budget), "no alarm remains").toBe(false);
    expect(await tables(budget)).toEqual([]);
    expect(await budget.hold(AT, "new", { tokens: 5, nanoUsd: 5 }, LIMITS)).toBeNull();
    expect(await hasAlarm(budget), "a new use sets the alarm again").toBe(true);
  });

  test("an object that was only read stores nothing", async () => {
    const budget = fresh();
    expect(await budget.usage(AT)).toEqual({ days: [], minuteRequests: 0, tokenRequests: 0 });
    await budget.settle("never", { tokens: 1, nanoUsd: 1 });
    expect(await tables(budget)).toEqual([]);
  });

  test("the alarm is set once, for the time when the oldest day can be deleted", async () => {
    const budget = fresh();
    const at = Date.now();
    for (const _ of [1, 2, 3]) await budget.count(at, { requests: 1, hits: 0, tokens: 0, nanoUsd: 0 });
    const alarm = await runInDurableObject(budget, (_, state) => state.storage.getAlarm());
    expect(alarm).toBe((Math.floor(at / DAY_MS) + 32) * DAY_MS);
  });
});

async function tables(budget: ReturnType<typeof fresh>): Promise<unknown[]> {
  return await runInDurableObject(budget, (_, { storage }) =>
    storage.sql.exec("SELECT name FROM sqlite_master").toArray(),
  );
}

async function tablesOf(budget: ReturnType<typeof fresh>): Promise<object> {
  return await runInDurableObject(budget, (_, { storage }) => {
    const count = (table: string): unknown => storage.sql.exec(`SELECT COUNT(*) AS n FROM ${table}`).one()["n"];
    return { days: count("days"), holds: count("holds"), tokens: count("tokens") };
  });
}

vi.setConfig({ testTimeout: 20_000 });
