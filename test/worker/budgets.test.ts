// Budgets over HTTP: admission, the hold before a call, its settlement afterwards, and GET /usage.
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ConfigInput } from "../../src/core/config/define-config.ts";
import { createBudgets } from "../../src/platform/budgets.ts";
import { respond } from "./restricted.ts";
import { claimsOf, hs256, SESSION_KEYS } from "./tokens.ts";
import {
  as,
  calls,
  eachTestAlone,
  EVENTS,
  KEYS,
  uniqueText,
  problemOf,
  receivedRequests,
  SERVER_KEYS,
  startWorker,
  type WorkerUnderTest,
  withinOneMinute,
} from "./worker.ts";

const log = eachTestAlone();
const PK = "pk_budget_0123456789abcdef";
const pk = as(PK);

type Limits = Record<string, number>;

/** A publishable key with a unique name, so that no test sees another test's sums. */
function startLimited(
  limits: { per_visitor?: Limits; total?: Limits },
  more: ConfigInput = {},
  settings: Record<string, unknown> = {},
): { worker: WorkerUnderTest; total: string } {
  const id = crypto.randomUUID();
  const worker = startWorker(
    {
      cache: false,
      presets: { chat: { max_output_tokens: 100 } },
      prices: { "gpt-6-luna": { input: 1, output: 10 } },
      callers: { publishable: [{ id, key: PK, presets: ["chat"], ...limits }] },
      ...more,
    },
    settings,
  );
  return { worker, total: `total:publishable:${id}` };
}

const usedOf = async (
  name: string,
): Promise<{ tokens: number; held: number; requests: number; hits: number; nanoUsd: number }> =>
  (await env.BUDGETS.getByName(name).usage(Date.now())).days[0] ?? {
    tokens: 0,
    held: 0,
    requests: 0,
    hits: 0,
    nanoUsd: 0,
  };
const from = (address: string): Record<string, string> => ({ ...pk, "cf-connecting-ip": address });

describe("the limit of a budget", () => {
  test("a budget for ten calls admits at most ten of fifty parallel calls", async () => {
    // Each call holds 100 output tokens and some input tokens. A settlement may only make room for what it frees.
    const { worker, total } = startLimited({ total: { tokens_per_day: 1_500 } });
    const input = uniqueText();
    const answers = await Promise.all(Array.from({ length: 50 }, () => worker.ask({ input }, pk)));
    const codes = await Promise.all(answers.map(async (answer) => (answer.ok ? "ok" : (await problemOf(answer)).code)));
    expect(codes.filter((code) => code === "ok").length).toBeGreaterThan(0);
    expect(new Set(codes)).toEqual(new Set(["ok", "budget_exceeded"]));
    expect(await calls(input)).toBe(codes.filter((code) => code === "ok").length);
    expect(await calls(input)).toBeLessThanOrEqual(10);
    await worker.settled();
    const used = await usedOf(total);
    expect(used.held).toBe(0);
    expect(used.tokens).toBeLessThanOrEqual(1_500);
  });

  test.each([
    ["tokens_per_day", { tokens_per_day: 50 }],
    ["usd_per_day", { usd_per_day: 0.0001 }],
  ])("a call that could exceed %s is refused before upstream is called", async (limit, limits) => {
    for (const whose of ["per_visitor", "total"] as const) {
      const { worker } = startLimited({ [whose]: limits });
      const input = uniqueText();
      const response = await worker.ask({ input }, pk);
      const problem = await problemOf(response);
      expect([response.status, problem.code]).toEqual([429, "budget_exceeded"]);
      expect(problem.message).toContain(limit);
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(response.headers.get("x-should-retry")).toBe("false");
      expect((await respond(worker, { input, stream: true }, pk)).status).toBe(429);
      expect(await calls(input)).toBe(0);
      await worker.settled();
    }
  });

  test("requests_per_minute counts cache hits, refused requests and invalid bodies, too", async () => {
    withinOneMinute();
    const { worker } = startLimited({ per_visitor: { requests_per_minute: 3 } }, { cache: { ttl: 600 } });
    const input = uniqueText();
    await worker.answer({ input }, pk);
    await worker.answer({ input }, pk);
    expect((await worker.ask({ input, nonsense: 1 }, pk)).status).toBe(400);
    const problem = await problemOf(await worker.ask({ input }, pk));
    expect([problem.code, problem.message.includes("requests_per_minute")]).toEqual(["budget_exceeded", true]);
    expect(await calls(input)).toBe(1);
  });

  test("a thousand new users do not extend a total budget, and neither do fifty new networks", async () => {
    const total = { tokens_per_day: 2_000 };
    const worker = startWorker(
      {
        cache: false,
        presets: { chat: { max_output_tokens: 100 } },
        callers: {
          sessions: { presets: ["chat"], total },
          publishable: [
            { id: crypto.randomUUID(), key: PK, presets: ["chat"], per_visitor: { tokens_per_day: 10_000 }, total },
          ],
        },
      },
      { SESSION_KEYS },
    );
    const input = uniqueText();
    const fresh: Record<string, (n: number) => Record<string, string>> = {
      sub: (n) => as(hs256(claimsOf(`user-${n}`))),
      network: (n) => from(`2001:db8:${n.toString(16)}::1`),
    };
    for (const [kind, count] of [
      ["sub", 1_000],
      ["network", 50],
    ] as const) {
      let answered = 0;
      let tokens = 0;
      for (let at = 0; at < count; at += 50) {
        const answers = await Promise.all(
          Array.from({ length: 50 }, (_, n) => worker.ask({ input }, fresh[kind]?.(at + n) ?? {})),
        );
        for (const answer of answers) {
          const { usage } = await answer.json<{ usage?: { total_tokens: number } }>();
          answered += answer.ok ? 1 : 0;
          tokens += usage?.total_tokens ?? 0;
        }
        await worker.settled();
      }
      expect(answered, kind).toBeGreaterThan(0);
      expect(tokens, kind).toBeLessThanOrEqual(2_000);
    }
  }, 60_000);

  test("a visitor is one IPv6 network, and a refused visitor uses nothing of the total", async () => {
    withinOneMinute();
    const { worker, total } = startLimited({
      per_visitor: { requests_per_minute: 1 },
      total: { requests_per_minute: 3 },
    });
    const ask = async (address: string): Promise<number> =>
      (await worker.ask({ input: uniqueText() }, from(address))).status;
    expect(await ask("2001:db8::1")).toBe(200);
    expect(await ask("2001:db8::2")).toBe(429);
    expect(await ask("2001:db8::3")).toBe(429);
    expect(await ask("2001:db8:0:1::1")).toBe(200);
    expect(await ask("203.0.113.1")).toBe(200);
    expect(await ask("203.0.113.2")).toBe(429);
    await worker.settled();
    expect((await env.BUDGETS.getByName(total).usage(Date.now())).minuteRequests).toBe(3);
  });
});

describe("a session's own claims", () => {
  const asSession = (claims: object): Record<string, string> => as(hs256(claimsOf(crypto.randomUUID(), claims)));
  const sessions = (): WorkerUnderTest =>
    startWorker(
      { presets: { chat: { max_output_tokens: 100 } }, callers: { sessions: { presets: ["chat"] } } },
      { SESSION_KEYS },
    );

  test("limit its requests, and GET /usage shows the limit", async () => {
    const worker = sessions();
    const user = asSession({ requests: 3, tokens_per_day: 5_000 });
    await worker.answer({ input: uniqueText() }, user);
    const usage = await (
      await worker.get("/usage", user)
    ).json<{ limits: object; left: { requests: number; tokens_per_day: number } }>();
    expect(usage).toMatchObject({ limits: { requests: 3, tokens_per_day: 5_000 }, left: { requests: 1 } });
    expect(usage.left.tokens_per_day).toBeLessThan(5_000);
    expect((await worker.ask({ input: uniqueText() }, user)).status).toBe(200);
    const refused = await problemOf(await worker.ask({ input: uniqueText() }, user));
    expect([refused.code, refused.message.includes("`requests`")]).toEqual(["budget_exceeded", true]);
    await worker.settled();
  });

  test("limit its output tokens", async () => {
    const worker = sessions();
    const input = uniqueText();
    for (const body of [{ input }, { input, max_output_tokens: 90 }])
      await worker.answer({ ...body, cache: false }, asSession({ max_output_tokens: 40 }));
    expect((await receivedRequests(input)).map(({ body }) => body["max_output_tokens"])).toEqual([40, 40]);
  });
});

describe("budgets together", () => {
  test("after any interleaving of calls that settle, are refused, get lost or reach a failing object, all sums agree and no limit is exceeded", async () => {
    const call = fc.record({
      tokens: fc.integer({ min: 1, max: 400 }),
      end: fc.constantFrom("settle" as const, "release" as const, "lost" as const),
      part: fc.double({ min: 0, max: 1, noNaN: true }),
      /** The object receives the call, and its answer is lost. */
      fails: fc.constantFrom("never" as const, "hold" as const, "settle" as const),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(call, { maxLength: 20 }), fc.scheduler(), async (all, scheduler) => {
        const budgets = [
          { name: `a-${crypto.randomUUID()}`, whose: "user" as const, limits: { tokens_per_day: 1_500 } },
          { name: `b-${crypto.randomUUID()}`, whose: "total" as const, limits: { tokens_per_day: 1_000 } },
        ];
        const waitUntil: Promise<unknown>[] = [];
        const runs = all.map(async ({ tokens, end, part, fails }, n) => {
          let failed = false;
          const flaky = {
            getByName: (name: string) => {
              const stub = env.BUDGETS.getByName(name);
              const faulty = async <T>(kind: string, reply: Promise<T>): Promise<T> => {
                const value = await reply;
                if (fails !== kind || failed) return value;
                failed = true;
                throw new Error("lost on the way");
              };
              return {
                admit: (...args: Parameters<typeof stub.admit>) => stub.admit(...args),
                hold: (...args: Parameters<typeof stub.hold>) => faulty("hold", stub.hold(...args)),
                settle: (...args: Parameters<typeof stub.settle>) => faulty("settle", stub.settle(...args)),
                count: (...args: Parameters<typeof stub.count>) => stub.count(...args),
                usage: (...args: Parameters<typeof stub.usage>) => stub.usage(...args),
              };
            },
          };
          const outside = {
            now: Date.now,
            sleep: () => Promise.resolve(),
            random: () => `call-${n}`,
            warn: () => undefined,
            reportEveryMs: 1,
          };
          const adapter = createBudgets(flaky, outside);
          await scheduler.schedule(Promise.resolve(), `call ${n} begins`);
          const held = await adapter
            .hold(budgets, { tokens, nanoUsd: 0 }, (work) => void waitUntil.push(work))
            .catch(() => null);
          await scheduler.schedule(Promise.resolve(), `call ${n} ends`);
          if (held === null) return 0;
          const used = Math.floor(tokens * part);
          if (end === "settle") held.settle({ tokens: used, nanoUsd: 0 });
          if (end === "release") held.release();
          return end === "settle" ? used : end === "release" ? 0 : tokens;
        });
        const spent = (await scheduler.waitFor(Promise.all(runs))).reduce((sum, one) => sum + one, 0);
        for (let at = 0; at < waitUntil.length; at += 1) await waitUntil[at];
        for (const { name, limits } of budgets) {
          const { tokens } = (await env.BUDGETS.getByName(name).usage(Date.now())).days[0] ?? { tokens: 0 };
          expect(tokens, name).toBe(spent);
          expect(tokens).toBeLessThanOrEqual(limits.tokens_per_day);
        }
      }),
      { numRuns: 15 },
    );
  }, 30_000);
});

describe("a budget hold", () => {
  const model = (name: string): ConfigInput => ({ presets: { chat: { max_output_tokens: 100, model: name } } });

  test("is replaced by the actual usage in tokens and USD, as JSON and as events, on both routes", async () => {
    const { worker, total } = startLimited({ total: { tokens_per_day: 100_000, usd_per_day: 1 } });
    let tokens = 0;
    const used = await worker.answer({ input: uniqueText() }, pk);
    tokens += used.usage?.total_tokens ?? 0;
    for (const response of [
      await worker.ask({ input: uniqueText() }, { ...pk, ...EVENTS }),
      await respond(worker, { input: uniqueText() }, pk),
      await respond(worker, { input: uniqueText(), stream: true }, pk),
    ]) {
      const text = await response.text();
      tokens += Number(/"total_tokens":(\d+)(?!.*"total_tokens")/s.exec(text)?.[1]);
    }
    await worker.settled();
    const sums = await usedOf(total);
    expect(sums).toMatchObject({ tokens, held: 0, requests: 4 });
    const cost = log.requests().reduce((sum, line) => sum + Number(line["cost_usd"]), 0);
    expect(sums.nanoUsd).toBe(Math.round(cost * 1e9));
  });

  test.each(["chat-names", "both-names-one-zero", "without-total"])(
    "is settled with the tokens that a relay names in its own way (emulate/usage-%s)",
    async (form) => {
      const { worker, total } = startLimited(
        { total: { tokens_per_day: 1_000_000, usd_per_day: 10 } },
        { ...model(`emulate/usage-${form}`), prices: { [`emulate/usage-${form}`]: { input: 1, output: 10 } } },
      );
      const { usage, cost_usd } = await worker.answer({ input: uniqueText() }, pk);
      expect(usage).toMatchObject({ input_tokens: 100_000, output_tokens: 50_000, total_tokens: 150_000 });
      expect(await usedOf(total)).toMatchObject({
        tokens: 150_000,
        held: 0,
        nanoUsd: Math.round((cost_usd ?? 0) * 1e9),
      });
      expect(cost_usd).toBeGreaterThan(0.5);
    },
  );

  test.each(["other-names", "zero-parts", "all-zeros", "wrong-total", "texts", "empty", "absurd"])(
    "remains if the usage is unknown (emulate/usage-%s), and no response shows a number",
    async (form) => {
      const { worker, total } = startLimited(
        { total: { tokens_per_day: 1_000_000, usd_per_day: 10 } },
        { ...model(`emulate/usage-${form}`), prices: { [`emulate/usage-${form}`]: { input: 1, output: 10 } } },
      );
      const answer = await worker.answer({ input: uniqueText() }, pk);
      expect([answer.usage, answer.cost_usd]).toEqual([null, undefined]);
      const response = await respond(worker, { input: uniqueText(), model: "chat" }, pk);
      expect(await response.json<{ usage: unknown }>()).toMatchObject({ usage: null });
      await worker.settled();
      const { tokens, held, nanoUsd } = await usedOf(total);
      expect(tokens + held).toBeGreaterThan(200);
      expect([tokens > 0 ? nanoUsd > 0 : held > 0]).toEqual([true]);
    },
  );

  test.each(["emulate/429", "emulate/503", "emulate/400", "emulate/401"])(
    "is released if upstream refused the call unpaid (%s)",
    async (name) => {
      const { worker, total } = startLimited({ total: { tokens_per_day: 100_000 } }, model(name));
      expect((await worker.ask({ input: uniqueText() }, pk)).ok).toBe(false);
      await worker.settled();
      expect(await usedOf(total)).toMatchObject({ tokens: 0, held: 0 });
    },
  );

  test("is released if upstream refused in its stream, before any output", async () => {
    const { worker, total } = startLimited({ total: { tokens_per_day: 100_000 } }, model("emulate/error-event-nested"));
    for (const response of [
      await worker.ask({ input: uniqueText() }, { ...pk, ...EVENTS }),
      await respond(worker, { input: uniqueText(), stream: true }, pk),
    ]) {
      await response.text().catch(() => undefined);
    }
    await worker.settled();
    expect(await usedOf(total)).toMatchObject({ tokens: 0, held: 0 });
  });

  test.each(["emulate/500", "emulate/reset", "emulate/cut"])(
    "remains if the call may have been paid (%s)",
    async (name) => {
      const { worker, total } = startLimited({ total: { tokens_per_day: 100_000 } }, model(name));
      const response = await worker.ask({ input: uniqueText() }, { ...pk, ...EVENTS });
      await response.text().catch(() => undefined);
      await worker.settled();
      const used = await usedOf(total);
      expect(used.tokens).toBeGreaterThan(100);
      expect(used.held).toBe(used.tokens);
    },
  );

  test("remains if the caller disconnected during the call", async () => {
    const { worker, total } = startLimited({ total: { tokens_per_day: 100_000 } });
    const response = await worker.ask({ input: uniqueText("one two three four five six") }, { ...pk, ...EVENTS });
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    await worker.settled();
    const used = await usedOf(total);
    expect(used.held).toBe(used.tokens);
    expect(used.tokens).toBeGreaterThan(100);
  });

  test("includes the conversation that is continued", async () => {
    const { worker } = startLimited({ per_visitor: { tokens_per_day: 700 } });
    const { id, usage } = await worker.answer({ input: uniqueText("x".repeat(300)) }, pk);
    expect(usage?.total_tokens).toBeGreaterThan(80);
    const long = await problemOf(
      await worker.ask({ input: uniqueText("x".repeat(700)), previous_response_id: id }, pk),
    );
    expect(long.code).toBe("budget_exceeded");
    expect((await worker.ask({ input: "x", previous_response_id: id }, pk)).status).toBe(200);
    await worker.settled();
  });
});

describe("a budget that can't be reached", () => {
  const broken = { getByName: () => ({ admit: dead, hold: dead, settle: dead, count: dead, usage: dead }) };
  function dead(): Promise<never> {
    return Promise.reject(new Error("the object is gone"));
  }

  test.each([
    ["requests_per_minute", { requests_per_minute: 5 }, broken, "unavailable"],
    ["tokens_per_day", { tokens_per_day: 5_000 }, broken, "unavailable"],
    ["tokens_per_day, unbound", { tokens_per_day: 5_000 }, undefined, "misconfigured"],
  ])("causes a 503 for callers with limits (%s), and upstream is not called", async (_name, limits, BUDGETS, code) => {
    const { worker } = startLimited({ total: limits }, {}, { BUDGETS });
    const input = uniqueText();
    const response = await worker.ask({ input }, pk);
    expect([response.status, (await problemOf(response)).code]).toEqual([503, code]);
    expect(await calls(input)).toBe(0);
  });

  test("does not affect callers without limits", async () => {
    for (const BUDGETS of [broken, undefined]) {
      const worker = startWorker({}, { BUDGETS, SERVER_KEYS });
      expect((await worker.ask({ input: uniqueText() }, as(KEYS.alice))).status).toBe(200);
      await worker.settled();
    }
  });

  test("receives a lost settlement again later, and counts it once", async () => {
    let settleCalls = 0;
    const real = env.BUDGETS;
    const flaky = {
      getByName: (name: string) => {
        const stub = real.getByName(name);
        return {
          admit: (...args: Parameters<typeof stub.admit>) => stub.admit(...args),
          hold: (...args: Parameters<typeof stub.hold>) => stub.hold(...args),
          // The object receives every call, but the answers to the first two are lost.
          settle: async (...args: Parameters<typeof stub.settle>) => {
            await stub.settle(...args);
            if ((settleCalls += 1) < 3) throw new Error("lost");
          },
          count: (...args: Parameters<typeof stub.count>) => stub.count(...args),
          usage: (...args: Parameters<typeof stub.usage>) => stub.usage(...args),
        };
      },
    };
    const { worker, total } = startLimited({ total: { tokens_per_day: 100_000 } }, {}, { BUDGETS: flaky });
    const { usage } = await worker.answer({ input: uniqueText() }, pk);
    expect(await usedOf(total)).toMatchObject({ tokens: usage?.total_tokens, held: 0 });
    expect(settleCalls).toBe(3);
  });
});

describe("the rate limit", () => {
  test("an IP address and an owner each have a number of requests per minute; a request beyond it is not read", async () => {
    const seen: string[] = [];
    const RATE_LIMIT = { limit: async ({ key }: { key: string }) => ({ success: seen.push(key) < 4 }) };
    const worker = startWorker({}, { SERVER_KEYS, RATE_LIMIT });
    const send = (): Promise<Response> =>
      worker.ask({ input: uniqueText() }, { ...as(KEYS.alice), "cf-connecting-ip": "203.0.113.9" });
    expect((await send()).status).toBe(200);
    const byOwner = await send();
    expect([byOwner.status, (await problemOf(byOwner)).code, byOwner.headers.get("retry-after")]).toEqual([
      429,
      "rate_limited",
      "60",
    ]);
    const byAddress = await worker.ask(
      { input: uniqueText() },
      { ...as("sk_wrong_0123456789ab"), "cf-connecting-ip": "203.0.113.9" },
    );
    expect(byAddress.status).toBe(429);
    expect(seen.filter((key) => key === "address:203.0.113.9")).toHaveLength(3);
    expect(seen).toHaveLength(5);
    await worker.settled();
  });

  test("counts each visitor of a publishable key separately, so one can't use up the share of all", async () => {
    withinOneMinute();
    const counts = new Map<string, number>();
    const RATE_LIMIT = {
      limit: async ({ key }: { key: string }) => {
        counts.set(key, (counts.get(key) ?? 0) + 1);
        return { success: (counts.get(key) ?? 0) <= 5 || key.startsWith("address:") };
      },
    };
    const { worker } = startLimited({ per_visitor: { requests_per_minute: 1 } }, {}, { RATE_LIMIT });
    for (let n = 0; n < 8; n += 1) await (await worker.ask({ input: uniqueText() }, from("203.0.113.1"))).text();
    expect((await worker.ask({ input: uniqueText() }, from("203.0.113.2"))).status).toBe(200);
    await worker.settled();
  });

  test.each([
    ["missing", undefined, "rate_limit_missing"],
    ["failing", { limit: () => Promise.reject(new Error("gone")) }, "rate_limit_failed"],
  ])("that is %s is logged, and requests pass", async (_name, RATE_LIMIT, event) => {
    const worker = startWorker({}, { SERVER_KEYS, RATE_LIMIT });
    expect((await worker.ask({ input: uniqueText() }, as(KEYS.alice))).status).toBe(200);
    await worker.settled();
    expect(log.warnings().some((line) => line.event.startsWith(event))).toBe(true);
  });
});

describe("GET /usage", () => {
  test("a server key sees what it used and its hits, although it has no limits", async () => {
    const worker = startWorker(
      { prices: { "gpt-6-luna": { input: 1, output: 10 } } },
      { SERVER_KEYS: `${crypto.randomUUID()}:${KEYS.alice}` },
    );
    const input = uniqueText();
    const { usage, cost_usd } = await worker.answer({ input }, as(KEYS.alice));
    expect(await worker.answer({ input }, as(KEYS.alice))).toMatchObject({ cached: true });
    const response = await worker.get("/usage", as(KEYS.alice));
    const body = await response.json<{ today: { requests: number } }>();
    // GET /usage is a request too, and may already be counted.
    const { requests } = body.today;
    expect([2, 3]).toContain(requests);
    const total = { requests, hits: 1, tokens: usage?.total_tokens, cost_usd, reserved_tokens: 0 };
    const today = { date: new Date().toISOString().slice(0, 10), ...total };
    expect(body).toEqual({ today, days: [today], total, limits: {}, left: {} });
    await worker.settled();
  });

  test("other methods get 405", async () => {
    const response = await startWorker().send("/usage", { method: "POST" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });
});
