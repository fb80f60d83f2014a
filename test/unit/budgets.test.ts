// An isolate reports usage to each budget object at most once in ten seconds, and loses none while the objects can be reached. The clock is
// a fake.
import { expect, test } from "vitest";
import type { CallerBudget, Tally } from "../../src/core/callers/budget.ts";
import { type Budgets, createBudgets } from "../../src/platform/budgets.ts";

const BUDGET: CallerBudget = { name: "owner:a", whose: "owner", limits: {} };
const cost = { tokens: 5, nanoUsd: 7 };

interface Isolate {
  budgets: Budgets;
  /** The reports that the objects received: time, name and sums. */
  reports: [number, string, Tally][];
  /** Advances the clock and runs what was waiting for it. */
  advance: (ms: number) => Promise<void>;
  /** The objects can't be reached. */
  isFailing: boolean;
}

function createIsolate(): Isolate {
  let clock = 1_000_000;
  const sleepers: { until: number; wake: () => void }[] = [];
  const reports: Isolate["reports"] = [];
  const state: Isolate = {
    reports,
    isFailing: false,
    async advance(ms) {
      clock += ms;
      for (const sleeper of sleepers.filter(({ until }) => until <= clock)) sleeper.wake();
      await new Promise((resolve) => setImmediate(resolve));
    },
    budgets: createBudgets(
      {
        getByName: (name) => ({
          admit: () => Promise.reject(new Error("not here")),
          hold: () => Promise.reject(new Error("not here")),
          settle: () => Promise.reject(new Error("not here")),
          usage: () => Promise.reject(new Error("not here")),
          count: async (_at, tally) => {
            if (state.isFailing) throw new Error("gone");
            reports.push([clock, name, tally]);
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

test("a hundred answers in ten seconds cause two reports: one for the first answer, immediately, and one for the rest", async () => {
  const isolate = createIsolate();
  for (let n = 0; n < 100; n += 1) {
    isolate.budgets.count([BUDGET], { requests: 1, cost }, () => undefined);
    await isolate.advance(90);
  }
  expect(isolate.reports).toHaveLength(1);
  await isolate.advance(5_000);
  expect(isolate.reports.map(([, , { requests }]) => requests)).toEqual([1, 99]);
  const [first = [0], second = [0]] = isolate.reports;
  expect(second[0] - first[0]).toBeGreaterThanOrEqual(10_000);
});

test("each budget has its own interval of ten seconds", async () => {
  const isolate = createIsolate();
  for (const name of ["a", "b", "c"]) isolate.budgets.count([{ ...BUDGET, name }], { requests: 1 }, () => undefined);
  await isolate.advance(0);
  expect(isolate.reports.map(([, name]) => name)).toEqual(["a", "b", "c"]);
});

test("sums that could not be sent are sent with the next ones", async () => {
  const isolate = createIsolate();
  isolate.isFailing = true;
  isolate.budgets.count([BUDGET], { requests: 1, cost }, () => undefined);
  await isolate.advance(0);
  isolate.isFailing = false;
  isolate.budgets.count([BUDGET], { requests: 1, cost }, () => undefined);
  await isolate.advance(10_000);
  expect(isolate.reports.map(([, , tally]) => tally)).toEqual([{ requests: 2, hits: 0, tokens: 10, nanoUsd: 14 }]);
});

test("the sums of 25,000 callers all reach their objects, with at most 10,000 queued", async () => {
  const isolate = createIsolate();
  for (let n = 0; n < 25_000; n += 1) {
    const budget = { ...BUDGET, name: `owner:${n}` };
    // The first is sent immediately, and the second waits for the ten seconds to pass.
    isolate.budgets.count([budget], { requests: 1 }, () => undefined);
    isolate.budgets.count([budget], { requests: 1 }, () => undefined);
  }
  await isolate.advance(0);
  expect(isolate.reports.length).toBeGreaterThanOrEqual(2 * 25_000 - 10_000);
  await isolate.advance(10_000);
  const sums = new Map<string, number>();
  for (const [, name, { requests }] of isolate.reports) sums.set(name, (sums.get(name) ?? 0) + requests);
  expect(sums.size).toBe(25_000);
  expect([...sums.values()].every((requests) => requests === 2)).toBe(true);
});

test("while no object can be reached, an isolate queues the sums of at most 10,000 callers", async () => {
  const isolate = createIsolate();
  isolate.isFailing = true;
  for (let n = 0; n < 25_000; n += 1)
    isolate.budgets.count([{ ...BUDGET, name: `owner:${n}` }], { requests: 1 }, () => undefined);
  await isolate.advance(0);
  isolate.isFailing = false;
  isolate.reports.length = 0;
  await isolate.advance(20_000);
  for (let n = 0; n < 25_000; n += 1)
    isolate.budgets.count([{ ...BUDGET, name: `owner:${n}` }], { requests: 1 }, () => undefined);
  await isolate.advance(20_000);
  const sums = isolate.reports.reduce((sum, [, , { requests }]) => sum + requests, 0);
  // All sums of the second round arrive. Of the first round at most 10,000 were still held.
  expect(sums).toBeGreaterThanOrEqual(25_000);
  expect(sums).toBeLessThanOrEqual(25_000 + 10_000);
});
