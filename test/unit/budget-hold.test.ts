// The budget hold of a request, with a clock, a KV and an upstream that the test controls.
import { describe, expect, test } from "vitest";
import type { ConfigInput } from "../../src/core/config/define-config.ts";
import { worstCase, type Cost } from "../../src/core/callers/budget.ts";
import { createHarness, type Harness } from "../support/answer-harness.ts";

type Step = ["hold" | "settle", number] | ["release"];

const CONFIG: Partial<ConfigInput> = {
  limits: { max_context_tokens: 1_000 },
  defaults: { model: "m", max_output_tokens: 10 },
};
const BUDGETS = [{ name: "owner:ada", whose: "owner" as const, limits: { tokens_per_day: 100_000 } }];

/** A harness whose caller has a budget, and the calls to that budget. */
async function createLimitedHarness(
  config: Partial<ConfigInput> = {},
): Promise<
  Harness & { steps: Step[]; say: (input: string, previousId?: string, more?: object) => ReturnType<Harness["ask"]> }
> {
  const harness = await createHarness({ ...CONFIG, ...config });
  const steps: Step[] = [];
  harness.deps.budgets = {
    ...harness.deps.budgets,
    hold: async (_budgets, worst) => {
      steps.push(["hold", worst.tokens]);
      let open = true;
      const end = (step: Step): void => {
        if (open) steps.push(step);
        open = false;
      };
      return { settle: (cost: Cost) => end(["settle", cost.tokens]), release: () => end(["release"]) };
    },
  };
  return {
    ...harness,
    steps,
    say: (input, previousId, more = {}) => harness.ask(input, previousId, { budgets: BUDGETS, ...more }),
  };
}

/** The tokens of every step of this kind. */
const tokens = (steps: readonly Step[], kind: "hold" | "settle"): number[] =>
  steps.flatMap(([name, count]) => (name === kind ? [count ?? 0] : []));

describe("one upstream call", () => {
  test("holds its worst case, and settles its cost once", async () => {
    const harness = await createLimitedHarness();
    await harness.say("hello");
    expect(harness.steps.map(([name]) => name)).toEqual(["hold", "settle"]);
    expect(tokens(harness.steps, "hold")[0]).toBeGreaterThan(tokens(harness.steps, "settle")[0] ?? 0);
  });

  test("that is never made, because its parent is not stored, releases its hold", async () => {
    const harness = await createLimitedHarness({ continuity: "gateway" });
    const { id } = await harness.say("hello", undefined, { storeTurn: false });
    harness.steps.length = 0;
    await expect(harness.say("and?", id)).rejects.toMatchObject({ code: "previous_response_not_found" });
    expect(harness.steps.map(([name]) => name)).toEqual(["hold", "release"]);
  });
});

describe("two upstream calls for one answer", () => {
  test("have two holds, each settled with its own cost", async () => {
    const harness = await createLimitedHarness();
    const { id } = await harness.say("hello");
    harness.deps.chainSupport.set("m", true);
    harness.upstream.ignoresChain = true;
    harness.steps.length = 0;
    const { continuity } = await harness.say("and?", id);
    expect(continuity).toBe("replayed");
    expect(harness.steps.map(([name]) => name)).toEqual(["hold", "settle", "hold", "settle"]);
  });

  test("retain the first hold if its cost is unknown, since that call was aborted at its first event", async () => {
    const harness = await createLimitedHarness();
    const { id } = await harness.say("hello");
    harness.upstream.ignoresChain = true;
    harness.freshIsolate();
    harness.steps.length = 0;
    await harness.say("and?", id, { stream: true });
    expect(harness.steps.map(([name]) => name)).toEqual(["hold", "hold", "settle"]);
  });
});

describe("a conversation of unknown length", () => {
  test("is assumed to be the longest possible; if the budget does not allow that, a young parent is read again", async () => {
    const harness = await createLimitedHarness();
    const { id } = await harness.say("hello");
    const real = harness.deps.store;
    // KV does not show the turn at first.
    harness.deps.store = { ...real, read: async (keys) => keys.map(() => null) };
    harness.steps.length = 0;
    let first = true;
    const { hold } = harness.deps.budgets;
    harness.deps.budgets.hold = async (budgets, worst, waitUntil) => {
      const held = await hold(budgets, worst, waitUntil);
      if (!first) return held;
      first = false;
      const { budgetExceeded } = await import("../../src/core/callers/budget.ts");
      throw budgetExceeded(BUDGETS[0] as (typeof BUDGETS)[0], { limit: "tokens_per_day", retryAfter: 9 });
    };
    await harness.say("and?", id);
    const [worst = 0, known = 0] = tokens(harness.steps, "hold");
    expect(worst).toBeGreaterThan(1_000);
    expect(known).toBeLessThan(1_000);
  });

  test("is refused as not found if not even a whole day's budget would be enough", async () => {
    const harness = await createLimitedHarness();
    const { id } = await harness.say("hello");
    harness.deps.store = { ...harness.deps.store, read: async (keys) => keys.map(() => null) };
    harness.advance(3 * 60_000);
    const { budgetExceeded } = await import("../../src/core/callers/budget.ts");
    harness.deps.budgets.hold = (budgets) =>
      Promise.reject(budgetExceeded(budgets[0] as (typeof BUDGETS)[0], { limit: "tokens_per_day", retryAfter: 9 }));
    const small = [{ ...BUDGETS[0], limits: { tokens_per_day: 500 } }];
    await expect(harness.say("and?", id, { budgets: small })).rejects.toMatchObject({
      code: "previous_response_not_found",
    });
    await expect(harness.say("and?", id)).rejects.toMatchObject({ code: "budget_exceeded" });
  });

  test("is also assumed if the stored turns have no token counts", async () => {
    const harness = await createLimitedHarness();
    const { id } = await harness.say("hello");
    const real = harness.deps.store;
    harness.deps.store = {
      ...real,
      read: async (keys) =>
        (await real.read(keys)).map((text) => text?.replaceAll(/"(\w+_tokens)":\d+/g, '"$1":0') ?? null),
    };
    harness.steps.length = 0;
    await harness.say("and?", id);
    expect(tokens(harness.steps, "hold")[0]).toBeGreaterThan(1_000);
  });
});

describe("the worst case of a body", () => {
  const CASE = { limits: { max_context_tokens: 0 }, prices: {} };
  const of = (body: object): number => worstCase({ max_output_tokens: 0, ...body }, ["m"], 0, CASE).tokens;

  test("is at least one token per two bytes, including those of keys", () => {
    const long = "x".repeat(120_000);
    for (const key of ["a", "image_url", "description"]) {
      const tools = [{ type: "function", name: "f", parameters: { properties: { [key]: { description: long } } } }];
      expect(of({ tools }), key).toBeGreaterThan(60_000);
    }
    expect(of({ input: "日本語".repeat(100) })).toBeGreaterThanOrEqual(450);
  });

  test("with images is the cost of large ones, and not half of their bytes", () => {
    const image = { type: "input_image", image_url: `data:image/png;base64,${"A".repeat(2_000_000)}` };
    const tokens = of({ input: [{ role: "user", content: [image, image] }] });
    expect(tokens).toBeGreaterThan(10_000);
    expect(tokens).toBeLessThan(11_000);
  });

  test("with a list of more items than a function can take as arguments is a number", () => {
    expect(
      of({ tools: [{ type: "function", parameters: { enum: Array.from({ length: 400_000 }, () => 1) } }] }),
    ).toBeGreaterThan(1_000_000);
  });

  test("in USD is the cost of its most expensive model", () => {
    const prices = { m: { input: 1, cached: 1, output: 10 }, dear: { input: 2, cached: 3, output: 1 } };
    expect(
      worstCase({ max_output_tokens: 100 }, ["m", "dear", "unknown"], 1_000, { ...CASE, prices }).nanoUsd,
    ).toBeGreaterThanOrEqual(3_000 * 1_000);
  });
});
