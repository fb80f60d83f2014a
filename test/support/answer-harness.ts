// Runs answer() in plain Node with a clock, a KV and an upstream that the test controls.
import { answer } from "../../src/answer/answer.ts";
import { compose } from "../../src/core/request/compose.ts";
import { type ConfigInput, defineConfig } from "../../src/core/config/define-config.ts";
import { trim } from "../../src/core/reply/trim.ts";
import type { Caller, Deps } from "../../src/deps.ts";
import type { LogFields } from "../../src/platform/log.ts";
import { createRecentItems } from "../../src/platform/recent-items.ts";
import { type LaggingKv, laggingKv } from "./lagging-kv.ts";
import { type FakeUpstream, fakeUpstream } from "./fake-upstream.ts";
import { importIdKeys, ownerOf } from "../../src/core/callers/owner.ts";

export interface Harness {
  upstream: FakeUpstream;
  kv: LaggingKv;
  /** Milliseconds on the fake clock since the start. Sleeping and `advance` move it. */
  elapsed: () => number;
  advance: (ms: number) => void;
  /** Simulates a new isolate: chain support is unknown for every model. */
  freshIsolate: () => void;
  /** Answers one input, as a follow-up if `previousId` is given. */
  ask: (
    input: string,
    previousId?: string,
    options?: { stream?: boolean; owner?: string; model?: string; storeTurn?: boolean; budgets?: Caller["budgets"] },
  ) => Promise<TurnResult>;
  deps: Deps;
}

export interface TurnResult {
  id: string;
  text: string;
  continuity: string | undefined;
  logFields: LogFields;
}

const START_MS = 1_800_000_000_000;

export async function createHarness(config: Partial<ConfigInput> = {}, lagMs = 0): Promise<Harness> {
  let clock = START_MS;
  const now = (): number => clock;
  const idKeys = await importIdKeys([new Uint8Array(32).fill(7)]);
  const upstream = fakeUpstream();
  const kv = laggingKv(lagMs, now);
  let chainSupport = new Map<string, boolean | undefined>();
  let serial = 0;
  const budgets: Deps["budgets"] = {
    admit: () => Promise.resolve(),
    hold: () => Promise.reject(new Error("no budgets in this harness")),
    count: () => undefined,
    usage: () => Promise.resolve({ days: [], minuteRequests: 0, tokenRequests: 0 }),
  };
  const deps: Deps = {
    config: defineConfig({ defaults: { model: "m" }, cache: false, ...config }),
    upstream,
    forJobs: () => deps,
    jobs: {
      accept: () => Promise.reject(new Error("no jobs in this harness")),
      view: () => Promise.reject(new Error("no jobs in this harness")),
      redeliver: () => Promise.reject(new Error("no jobs in this harness")),
      readOutcome: () => Promise.reject(new Error("no jobs in this harness")),
      record: () => {
        throw new Error("no jobs in this harness");
      },
    },
    fetchAsset: () => Promise.reject(new Error("no assets in this harness")),
    sendCallback: () => Promise.reject(new Error("no callbacks in this harness")),
    secretOf: () => undefined,
    store: kv,
    recentItems: createRecentItems(now),
    idKeys,
    baseUrl: "https://upstream.example",
    local: false,
    paused: false,
    receive: () => Promise.reject(new Error("no webhooks in this harness")),
    serverKeys: new Map(),
    publishableKeys: new Map(),
    sessionKeys: [],
    fetchJwks: () => Promise.reject(new Error("no identity provider in this harness")),
    siteverify: undefined,
    anonymous: { kind: "anonymous", owner: await ownerOf(idKeys, "anonymous:local"), budgets: [] },
    budgets,
    runs: { join: () => Promise.reject(new Error("no runs in this harness")) },
    isWithinRateLimit: () => Promise.resolve(true),
    chainSupport: {
      get: (model) => chainSupport.get(model),
      set: (model, known) => void chainSupport.set(model, known),
    },
    warnOfShutdowns: () => undefined,
    log: { request: () => undefined, warn: () => undefined, exception: () => undefined },
    now,
    sleep: async (ms) => void (clock += ms),
    random: (bytes) => String((serial += 1)).padStart(bytes * 2, "0"),
  };
  return {
    upstream,
    kv,
    deps,
    elapsed: () => clock - START_MS,
    advance: (ms) => void (clock += ms),
    freshIsolate: () => void (chainSupport = new Map()),
    async ask(input, previousId, { stream = false, owner = "ada", model, storeTurn = true, budgets = [] } = {}) {
      const logFields: LogFields = { request_id: "req_1", route: "test" };
      const pending: Promise<unknown>[] = [];
      const reply = await answer(
        deps,
        {
          composed: compose({ input, ...(model === undefined ? {} : { model }) }, deps.config),
          previousId,
          cache: undefined,
          cacheControl: { noStore: !storeTurn, noCache: false, maxAge: undefined },
          cacheByDefault: true,
          metadata: undefined,
          stream,
          live: "all",
          retryIfBusy: true,
        },
        {
          requestId: "req_1",
          caller: { kind: "server", owner, budgets },
          signal: new AbortController().signal,
          waitUntil: (work) => void pending.push(work),
          logFields,
        },
      );
      let finished = reply.kind === "whole" ? reply.finished : undefined;
      while (reply.kind === "stream" && finished === undefined) ({ finished } = await reply.next());
      if (finished === undefined) throw new Error("the answer did not finish");
      await Promise.all(pending);
      const { id, text } = trim(finished.response, finished.context);
      return { id, text, continuity: reply.headers["x-continuity"], logFields };
    },
  };
}
