// The retry of an upstream call, and the fallback models of a preset.
import { describe, expect, test, vi } from "vitest";
import type { ConfigInput } from "../../src/core/config/define-config.ts";
import type { JsonObject } from "../../src/core/lib/json.ts";
import {
  calls,
  eachTestAlone,
  eventsIn,
  EVENTS,
  kvKeys,
  uniqueText,
  problemOf,
  receivedRequests,
  startWorker,
  TEXT,
} from "./worker.ts";

const log = eachTestAlone();

describe("fallback models", () => {
  test.each(["emulate/503-model-not-found", "emulate/503-no-channel", "emulate/404-model", "nope-1"])(
    "%s is replaced by the next model, in every form",
    async (model) => {
      const worker = startWorker({ presets: { p: { model, fallback: ["nope-2", "gpt-6-luna"] } } });
      for (const [headers, fields] of [
        [{}, {}],
        [TEXT, {}],
        [EVENTS, {}],
        [TEXT, { stream: true }],
      ] as const) {
        const input = uniqueText();
        const response = await worker.ask({ input, preset: "p", ...fields }, headers);
        expect(response.status).toBe(200);
        expect(await response.text()).toContain(input);
        await worker.settled();
        expect((await receivedRequests(input)).map(({ body }) => body["model"])).toEqual([
          model,
          "nope-2",
          "gpt-6-luna",
        ]);
      }
    },
  );

  test("a repeat gets the answer from the cache without trying the models again", async () => {
    const worker = startWorker({ presets: { p: { model: "nope-1", fallback: ["gpt-6-luna"] } } });
    const body = { input: uniqueText(), preset: "p" };
    const original = await worker.answer(body);
    expect(await worker.answer(body)).toEqual({ ...original, cached: true });
    expect(await calls(body.input)).toBe(2);
  });

  test("a fallback answer is priced by the model that answered, on GET too", async () => {
    const prices = { "nope-1": { input: 1_000, output: 1_000 }, "gpt-6-luna": { input: 1, output: 1 } };
    const worker = startWorker({ prices, presets: { p: { model: "nope-1", fallback: ["gpt-6-luna"] } } });
    const answer = await worker.answer({ input: uniqueText(), preset: "p" });
    expect(answer.cost_usd).toBeCloseTo((answer.usage?.total_tokens ?? 0) / 1e6, 12);
    expect(await (await worker.get(`/ask/${answer.id}`)).json()).toEqual(answer);
  });

  test.each<[string, Partial<ConfigInput>, JsonObject, string]>([
    ["the default model", { defaults: { model: "nope-1" } }, {}, "defaults.model"],
    ["a preset's model", { presets: { p: { model: "nope-1" } } }, { preset: "p" }, "presets.p.model"],
    [
      "a preset's model and its fallback",
      { presets: { p: { model: "nope-1", fallback: ["nope-2"] } } },
      { preset: "p" },
      "presets.p.model` and `presets.p.fallback",
    ],
  ])("an unknown model: the error names the setting of %s", async (_, config, fields, setting) => {
    const worker = startWorker(config);
    const { code, message } = await problemOf(await worker.ask({ input: uniqueText(), ...fields }));
    expect(code).toBe("upstream_unavailable");
    expect(message).toContain(`The model is set by \`${setting}\` in src/config.ts`);
    await worker.settled();
    expect(log.requests().at(-1)).toMatchObject({
      reason: `upstream 503 model_not_found, set by ${setting.replaceAll("`", "")}`,
    });
  });

  test("an unknown model: the error names no setting if the request named the model", async () => {
    const { message } = await problemOf(await startWorker().ask({ input: uniqueText(), model: "nope-1" }));
    expect(message).not.toContain("src/config.ts");
  });

  test("an unknown model: the error names no setting to a restricted caller, but the log does", async () => {
    const key = "pk_0123456789abcdefghij";
    const worker = startWorker({
      presets: { p: { model: "nope-1" } },
      callers: { publishable: [{ id: "site", key, presets: ["p"] }] },
    });
    const response = await worker.ask({ input: uniqueText() }, { authorization: `Bearer ${key}` });
    const { code, message } = await problemOf(response);
    expect(code).toBe("upstream_unavailable");
    expect(message).not.toMatch(/nope-1|presets\.|src\/config/);
    await worker.settled();
    expect(log.requests().at(-1)).toMatchObject({ reason: "upstream 503 model_not_found, set by presets.p.model" });
  });

  test("after the last model, the caller gets upstream's refusal; a model that the caller named is not replaced", async () => {
    const worker = startWorker({ presets: { p: { model: "nope-1", fallback: ["nope-2"] } } });
    const input = uniqueText();
    const response = await worker.ask({ input, preset: "p" });
    expect(response.status).toBe(503);
    expect((await problemOf(response)).code).toBe("upstream_unavailable");
    expect(await calls(input)).toBe(2);
    const own = uniqueText();
    expect((await worker.ask({ input: own, preset: "p", model: "nope-3" })).status).toBe(503);
    expect(await calls(own)).toBe(1);
    expect(await kvKeys("")).toEqual([]);
  });

  test.each(["500", "429", "401", "402", "400", "failed", "cut", "reset-before-headers"])(
    "emulate/%s is not a missing model, so no fallback model is used",
    async (fault) => {
      const worker = startWorker({ presets: { p: { model: `emulate/${fault}`, fallback: ["gpt-6-luna"] } } });
      const input = uniqueText();
      expect((await worker.ask({ input, preset: "p" })).ok).toBe(false);
      expect(await calls(input)).toBe(1);
    },
  );
});

describe("the retry of an upstream call", () => {
  test.each(["429-once/1", "503-once/1"])("emulate/%s is retried once, after Retry-After", async (fault) => {
    const worker = startWorker();
    const input = uniqueText();
    const fields = fault.startsWith("429") ? {} : { stream: true };
    const response = await worker.ask({ input, model: `emulate/${fault}`, ...fields });
    expect(response.status).toBe(200);
    const text = await response.text();
    if ("stream" in fields) expect(eventsIn(text).at(-1)?.event).toBe("done");
    expect(await calls(input)).toBe(2);
    await worker.settled();
    const requestId = response.headers.get("x-request-id");
    expect(log.requests().filter((line) => line["request_id"] === requestId)).toHaveLength(1);
  });

  test.each(["429-retry-after/6", "429-retry-after/30"])(
    "emulate/%s is not retried, because its wait is too long",
    async (fault) => {
      const worker = startWorker();
      for (const headers of [{}, EVENTS, TEXT]) {
        const input = uniqueText();
        const response = await worker.ask({ input, model: `emulate/${fault}` }, headers);
        expect(response.status).toBe(429);
        expect(response.headers.get("retry-after")).toBe(fault.split("/")[1]);
        expect((await problemOf(response)).code).toBe("upstream_rate_limited");
        expect(await calls(input)).toBe(1);
      }
    },
  );

  test("there is at most one retry", async () => {
    vi.useFakeTimers();
    let fetches = 0;
    vi.spyOn(globalThis, "fetch").mockImplementation(() => {
      fetches += 1;
      return Promise.resolve(new Response("", { status: 429, headers: { "retry-after": "5" } }));
    });
    const pendingResponse = startWorker().ask({ input: uniqueText() });
    await vi.waitFor(() => expect(fetches).toBe(1));
    await vi.advanceTimersByTimeAsync(10_000);
    const response = await pendingResponse;
    expect([response.status, response.headers.get("retry-after"), fetches]).toEqual([429, "5", 2]);
  });

  test.each(["429", "503", "429-empty", "429-saturated"])(
    "emulate/%s is not retried, because it has no Retry-After",
    async (fault) => {
      const input = uniqueText();
      const response = await startWorker().ask({ input, model: `emulate/${fault}` });
      expect([429, 503]).toContain(response.status);
      expect(await calls(input)).toBe(1);
    },
  );

  test.each([
    "500",
    "cut",
    "reset",
    "failed",
    "error-200",
    "unknown-error-200",
    "not-json",
    "520",
    "524",
    "redirect",
    "bad-encoding",
  ])("emulate/%s is not retried, because it may have been paid or would fail again", async (fault) => {
    const input = uniqueText();
    const worker = startWorker();
    for (const headers of [{}, EVENTS]) {
      const response = await worker.ask({ input, model: `emulate/${fault}` }, headers);
      const text = await response.text();
      expect(text).toContain('"error"');
      expect(text).not.toMatch(/Provider|request id|令牌|饱和|canary|4f9d2c/);
    }
    expect(await calls(input)).toBe(2);
    expect(await kvKeys("")).toEqual([]);
  });

  test("a call that misses a deadline is not retried", async () => {
    const deadlines = '{"upstream_first_byte":60,"upstream_idle":60,"upstream_total":5000}';
    const worker = startWorker({}, { DEADLINES: deadlines });
    for (const [model, headers, shown] of [
      ["emulate/first-byte/5000", {}, 504],
      ["emulate/first-byte/5000", EVENTS, 504],
      ["emulate/stall", {}, 504],
      ["emulate/stall", EVENTS, 200],
    ] as const) {
      const input = uniqueText();
      const response = await worker.ask({ input, model }, headers);
      expect(response.status).toBe(shown);
      expect(await response.text()).toContain('"code":"upstream_timeout"');
      expect(await calls(input)).toBe(1);
    }
  });
});
