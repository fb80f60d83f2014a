// Budgets as an isolate tells them, by a clock that the test holds: at most one word in ten seconds for each, and nothing lost.
import { expect, test } from "vitest";
import type { CallerBudget, Tally } from "../../src/core/callers/budget.ts";
import { type Budgets, durableBudgets } from "../../src/platform/budgets.ts";

const BUDGET: CallerBudget = { name: "owner:a", whose: "owner", limits: {} };
const cost = { tokens: 5, nanoUsd: 7 };

interface Told {
  budgets: Budgets;
  told: [number, string, Tally][];
  /** Lets time pass, and what was waiting for it happen. */
  pass: (ms: number) => Promise<void>;
  failing: boolean;
}

function isolate(): Told {
  let clock = 1_000_000;
  const sleepers: { until: number; wake: () => void }[] = [];
  const told: Told["told"] = [];
  const state: Told = {
    told,
    failing: false,
    async pass(ms) {
      clock += ms;
      for (const sleeper of sleepers.filter(({ until }) => until <= clock)) sleeper.wake();
      await new Promise((resolve) => setImmediate(resolve));
    },
    budgets: durableBudgets(
      {
        getByName: (name) => ({
          admit: () => Promise.reject(new Error("not here")),
          reserve: () => Promise.reject(new Error("not here")),
          settle: () => Promise.reject(new Error("not here")),
          usage: () => Promise.reject(new Error("not here")),
          count: async (_at, tally) => {
            if (state.failing) throw new Error("gone");
            told.push([clock, name, tally]);
          },
        }),
      },
      {
        now: () => clock,
        sleep: (ms) => new Promise((wake) => sleepers.push({ until: clock + ms, wake })),
        random: () => "id",
        warn: () => undefined,
        reportEveryMs: 10_000,
      },
    ),
  };
  return state;
}

test("a hundred answers in ten seconds are two words: the first at once, the rest together", async () => {
  const one = isolate();
  for (let n = 0; n < 100; n += 1) {
    one.budgets.count([BUDGET], { requests: 1, cost }, () => undefined);
    await one.pass(90);
  }
  expect(one.told).toHaveLength(1);
  await one.pass(5_000);
  expect(one.told.map(([, , { requests }]) => requests)).toEqual([1, 99]);
  const [first = [0], second = [0]] = one.told;
  expect(second[0] - first[0]).toBeGreaterThanOrEqual(10_000);
});

test("each budget has its own ten seconds", async () => {
  const one = isolate();
  for (const name of ["a", "b", "c"]) one.budgets.count([{ ...BUDGET, name }], { requests: 1 }, () => undefined);
  await one.pass(0);
  expect(one.told.map(([, name]) => name)).toEqual(["a", "b", "c"]);
});

test("what could not be told is told the next time", async () => {
  const one = isolate();
  one.failing = true;
  one.budgets.count([BUDGET], { requests: 1, cost }, () => undefined);
  await one.pass(0);
  one.failing = false;
  one.budgets.count([BUDGET], { requests: 1, cost }, () => undefined);
  await one.pass(10_000);
  expect(one.told.map(([, , tally]) => tally)).toEqual([{ requests: 2, hits: 0, tokens: 10, nanoUsd: 14 }]);
});

test("the sums of very many callers all reach their objects, however many wait at once", async () => {
  const one = isolate();
  for (let n = 0; n < 25_000; n += 1) {
    const budget = { ...BUDGET, name: `owner:${n}` };
    // The first is sent at once, the second waits for the ten seconds to pass.
    one.budgets.count([budget], { requests: 1 }, () => undefined);
    one.budgets.count([budget], { requests: 1 }, () => undefined);
  }
  await one.pass(10_000);
  const sums = new Map<string, number>();
  for (const [, name, { requests }] of one.told) sums.set(name, (sums.get(name) ?? 0) + requests);
  expect(sums.size).toBe(25_000);
  expect([...sums.values()].every((requests) => requests === 2)).toBe(true);
});

test("while no object can be reached, the sums of very many callers do not fill the isolate", async () => {
  const one = isolate();
  one.failing = true;
  for (let n = 0; n < 25_000; n += 1)
    one.budgets.count([{ ...BUDGET, name: `owner:${n}` }], { requests: 1 }, () => undefined);
  await one.pass(0);
  one.failing = false;
  one.told.length = 0;
  await one.pass(20_000);
  for (let n = 0; n < 25_000; n += 1)
    one.budgets.count([{ ...BUDGET, name: `owner:${n}` }], { requests: 1 }, () => undefined);
  await one.pass(20_000);
  const sums = one.told.reduce((sum, [, , { requests }]) => sum + requests, 0);
  // Each is told of this time; of the time before at most so many are still known.
  expect(sums).toBeGreaterThanOrEqual(25_000);
  expect(sums).toBeLessThanOrEqual(25_000 + 10_000);
});
