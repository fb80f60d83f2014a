// The path of an answer alone, in plain Node: answer() with a clock, a KV and an upstream that the test holds in its hands.
import { answer } from "../../src/answer/answer.ts";
import { compose } from "../../src/core/request/compose.ts";
import { type ConfigInput, defineConfig } from "../../src/core/config/define-config.ts";
import { importIdKeys, ownerOf } from "../../src/core/callers/ids.ts";
import { trim } from "../../src/core/reply/trim.ts";
import type { Caller, Deps } from "../../src/deps.ts";
import type { LogFields } from "../../src/platform/log.ts";
import { type LaggingKv, laggingKv } from "./lagging-kv.ts";
import { type Relay, relay } from "./relay.ts";

export interface Path {
  upstream: Relay;
  kv: LaggingKv;
  /** Milliseconds since the start; sleeping moves it. */
  elapsed: () => number;
  wait: (ms: number) => void;
  /** Another isolate: it has seen nothing of what models do. */
  freshIsolate: () => void;
  /** Turns of an owner by id, as the path keeps them. */
  ask: (
    input: string,
    previousId?: string,
    options?: { stream?: boolean; owner?: string; model?: string; keep?: boolean; budgets?: Caller["budgets"] },
  ) => Promise<Asked>;
  deps: Deps;
}

export interface Asked {
  id: string;
  text: string;
  how: string | undefined;
  logFields: LogFields;
}

const START_MS = 1_800_000_000_000;

export async function path(config: Partial<ConfigInput> = {}, lagMs = 0): Promise<Path> {
  let clock = START_MS;
  const now = (): number => clock;
  const idKeys = await importIdKeys([new Uint8Array(32).fill(7)]);
  const upstream = relay();
  const kv = laggingKv(lagMs, now);
  let echoes = new Map<string, boolean | undefined>();
  let serial = 0;
  const budgets: Deps["budgets"] = {
    admit: () => Promise.resolve(),
    reserve: () => Promise.reject(new Error("nobody is limited here")),
    count: () => undefined,
    usage: () => Promise.resolve({ days: [], inMinute: 0, ofToken: 0 }),
  };
  const deps: Deps = {
    config: defineConfig({ defaults: { model: "m" }, cache: false, ...config }),
    upstream,
    forJobs: () => deps,
    jobs: {
      accept: () => Promise.reject(new Error("no jobs here")),
      view: () => Promise.reject(new Error("no jobs here")),
      redeliver: () => Promise.reject(new Error("no jobs here")),
      outcome: () => Promise.reject(new Error("no jobs here")),
      record: () => {
        throw new Error("no jobs here");
      },
    },
    assets: () => Promise.reject(new Error("no assets here")),
    callback: () => Promise.reject(new Error("no callbacks here")),
    secretOf: () => undefined,
    store: kv,
    idKeys,
    baseUrl: "https://upstream.example",
    local: false,
    paused: false,
    receive: () => Promise.reject(new Error("nothing is received here")),
    serverKeys: new Map(),
    publishableKeys: new Map(),
    sessionKeys: [],
    jwks: () => Promise.reject(new Error("no identity provider here")),
    siteverify: undefined,
    anonymous: { kind: "anonymous", owner: await ownerOf(idKeys, "anonymous:local"), budgets: [] },
    budgets,
    runs: { join: () => Promise.reject(new Error("nothing is repeated here")) },
    isWithinRateLimit: () => Promise.resolve(true),
    chainSupport: { get: (model) => echoes.get(model), set: (model, known) => void echoes.set(model, known) },
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
    wait: (ms) => void (clock += ms),
    freshIsolate: () => void (echoes = new Map()),
    async ask(input, previousId, { stream = false, owner = "ada", model, keep = true, budgets = [] } = {}) {
      const logFields: LogFields = { request_id: "req_1", route: "test" };
      const pending: Promise<unknown>[] = [];
      const got = await answer(
        deps,
        {
          composed: compose({ input, ...(model === undefined ? {} : { model }) }, deps.config),
          previousId,
          cache: undefined,
          cacheControl: { noStore: !keep, noCache: false, maxAge: undefined },
          cacheByDefault: true,
          metadata: undefined,
          stream,
          idFirst: false,
          retries: true,
        },
        {
          requestId: "req_1",
          caller: { kind: "server", owner, budgets },
          signal: new AbortController().signal,
          waitUntil: (work) => void pending.push(work),
          logFields,
        },
      );
      let finished = got.kind === "whole" ? got.finished : undefined;
      while (got.kind === "stream" && finished === undefined) ({ finished } = await got.next());
      if (finished === undefined) throw new Error("no end");
      await Promise.all(pending);
      const { id, text } = trim(finished.response, finished.context);
      return { id, text, how: got.headers["x-continuity"], logFields };
    },
  };
}
