// The Worker's app in plain Node, with a scripted upstream and everything else in memory, so that thousands of streams take seconds.
// Routes, gate, answer, runs, KV adapter and upstream adapter are the real ones.
import { createApp } from "../../src/app.ts";
import { record, type RunSpec } from "../../src/answer/runs/recording.ts";
import { type ConfigInput, defineConfig } from "../../src/core/config/define-config.ts";
import { importIdKeys, ownerOf } from "../../src/core/callers/owner.ts";
import type { JoinRequest, JoinResult } from "../../src/core/request/run.ts";
import type { Deps } from "../../src/deps.ts";
import { createReceiver } from "../../src/platform/io/receive-body.ts";
import { createStore } from "../../src/platform/kv.ts";
import { createRecentItems } from "../../src/platform/recent-items.ts";
import { createUpstream } from "../../src/platform/upstream/upstream.ts";
import type { JsonObject } from "./relay-streams.ts";

/** What upstream sends: the chunks of an event stream, or a JSON body; or a function of the call's body that returns either. */
export type Script = Reply | ((call: JsonObject) => Reply);
export type Reply =
  | { chunks: readonly Uint8Array[] }
  | { json: unknown; status?: number; headers?: Record<string, string> };

export interface RelayGateway {
  /** Sends a request to the app. */
  fetch: (
    path: string,
    init?: { method?: string; body?: object; headers?: Record<string, string> },
  ) => Promise<Response>;
  /** What upstream sends from now on. */
  script: (script: Script) => void;
  /** The bodies of the calls to upstream. */
  calls: JsonObject[];
  /** The strings in KV. */
  kv: Map<string, string>;
  /** Waits for all work that was handed to waitUntil. */
  settled: () => Promise<void>;
}

const NOW_MS = 1_796_000_000_000;
const never = (what: string) => (): never => {
  throw new Error(`no ${what} in this gateway`);
};

/**
 * Starts the app. Every caller is the anonymous one of `npm start`.
 * @param overrides replace parts of the app's surroundings
 */
export async function createRelayGateway(
  config: Partial<ConfigInput> = {},
  overrides: Partial<Deps> = {},
): Promise<RelayGateway> {
  const kv = new Map<string, string>();
  const calls: JsonObject[] = [];
  const waiting: Promise<unknown>[] = [];
  const runs = new Map<string, MemoryRun>();
  const waitUntil = (work: Promise<unknown>): void => void waiting.push(work);
  let script: Script = { json: {} };
  let serial = 0;

  const now = (): number => NOW_MS;
  const random = (bytes: number): string => String((serial += 1)).padStart(bytes * 2, "0");
  const idKeys = await importIdKeys([new Uint8Array(32).fill(9)]);
  const baseUrl = "https://upstream.example";
  const hour = 3_600_000;
  const deps: Deps = {
    config: defineConfig({ defaults: { model: "m" }, continuity: "gateway", ...config }),
    upstream: createUpstream(
      { baseUrl, key: "sk-relay", deadlines: { upstream_first_byte: hour, upstream_idle: hour, upstream_total: hour } },
      async (_input, init) => {
        const call = JSON.parse(String(init?.body)) as JsonObject;
        calls.push(call);
        return responseOf(typeof script === "function" ? script(call) : script);
      },
      now,
      random,
    ),
    forJobs: () => deps,
    jobs: {
      accept: never("jobs"),
      view: never("jobs"),
      redeliver: never("jobs"),
      readOutcome: never("jobs"),
      record: never("jobs"),
    },
    fetchAsset: never("assets"),
    sendCallback: never("callbacks"),
    secretOf: () => undefined,
    store: createStore(memoryKv(kv), () => undefined),
    recentItems: createRecentItems(now),
    idKeys,
    baseUrl,
    local: true,
    paused: false,
    receive: createReceiver(hour, now),
    serverKeys: new Map(),
    publishableKeys: new Map(),
    sessionKeys: [],
    fetchJwks: never("identity provider"),
    siteverify: undefined,
    anonymous: { kind: "anonymous", owner: await ownerOf(idKeys, "anonymous:local"), budgets: [] },
    budgets: {
      admit: () => Promise.resolve(),
      hold: never("budgets"),
      count: () => undefined,
      usage: never("budgets"),
    },
    runs: {
      async join(name, request) {
        const existing = runs.get(name);
        const run = existing ?? new MemoryRun(request);
        runs.set(name, run);
        if (existing === undefined) {
          waitUntil(
            record(
              () => Promise.resolve(deps),
              request.spec as RunSpec,
              waitUntil,
              (line) => run.append(line),
            ).then(({ isFinal }) => {
              run.end();
              if (!isFinal) runs.delete(name);
            }),
          );
        }
        return run.join(request, existing === undefined);
      },
    },
    isWithinRateLimit: () => Promise.resolve(true),
    chainSupport: { get: () => undefined, set: () => undefined },
    warnOfShutdowns: () => undefined,
    log: { request: () => undefined, warn: () => undefined, exception: () => undefined },
    now,
    sleep: () => Promise.resolve(),
    random,
    ...overrides,
  };
  const app = createApp(deps.config, {
    log: () => deps.log,
    isLocal: () => true,
    deps: () => Promise.resolve(deps),
  });
  const context = { waitUntil, passThroughOnException: () => undefined, props: {} };
  return {
    calls,
    kv,
    script: (given) => void (script = given),
    async fetch(path, { method, body, headers } = {}) {
      const request = new Request(`http://localhost${path}`, {
        method: method ?? (body === undefined ? "GET" : "POST"),
        headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return await app.fetch(request, {} as never, context as never);
    },
    async settled() {
      while (waiting.length > 0) await Promise.all(waiting.splice(0));
    },
  };
}

function responseOf(script: Reply): Response {
  if ("json" in script)
    return Response.json(script.json, { status: script.status ?? 200, headers: script.headers ?? {} });
  const chunks = script.chunks.values();
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const { done, value } = chunks.next();
        if (done === true) controller.close();
        else controller.enqueue(value);
      },
    },
    { highWaterMark: 0 },
  );
  return new Response(body, { headers: { "content-type": "text/event-stream" } });
}

function memoryKv(kv: Map<string, string>): Parameters<typeof createStore>[0] {
  async function get(key: string, type: "text"): Promise<string | null>;
  async function get(keys: string[], type: "text"): Promise<Map<string, string | null>>;
  async function get(keys: string | string[]): Promise<string | null | Map<string, string | null>> {
    if (typeof keys === "string") return kv.get(keys) ?? null;
    return new Map(keys.map((key) => [key, kv.get(key) ?? null]));
  }
  return {
    get,
    put: async (key, text) => void kv.set(key, text),
    delete: async (key) => void kv.delete(key),
  };
}

/** A run's Durable Object (src/durable/run.ts) without its storage. */
class MemoryRun {
  readonly #request: JoinRequest;
  readonly #encoder = new TextEncoder();
  #bytes: Uint8Array[] = [];
  #hasEnded = false;
  #waiting: (() => void)[] = [];

  constructor(request: JoinRequest) {
    this.#request = request;
  }

  append(line: object): number {
    const bytes = this.#encoder.encode(`${JSON.stringify(line)}\n`);
    this.#bytes.push(bytes);
    this.#wake();
    return bytes.length;
  }

  end(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  join({ fingerprint = this.#request.fingerprint }: JoinRequest, isFirst: boolean): JoinResult {
    if (fingerprint !== this.#request.fingerprint) return { refused: "reused" };
    const role = isFirst ? "started" : this.#hasEnded ? "replayed" : "joined";
    return { role, run: this.#request.run, from: 0, stream: this.#read() };
  }

  #read(): ReadableStream<Uint8Array> {
    let at = 0;
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        while (at >= this.#bytes.length && !this.#hasEnded)
          await new Promise<void>((resolve) => void this.#waiting.push(resolve));
        const bytes = this.#bytes[at++];
        if (bytes === undefined) controller.close();
        else controller.enqueue(bytes);
      },
    });
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}
