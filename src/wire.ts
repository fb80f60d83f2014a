// The only reader of env: settings and adapters made into Deps, once per isolate and env. A setting that is wrong fails every
// request with its name; its value is never shown.
import type { Config } from "./core/config/define-config.ts";
import { hexOf } from "./core/lib/encoding.ts";
import { type IdKeys, importIdKeys, ownerOf } from "./core/callers/ids.ts";
import { sessionKeysOf } from "./core/config/session-keys.ts";
import { misconfigured } from "./core/config/setting.ts";
import { unsafeSettings } from "./core/config/unsafe-settings.ts";
import {
  baseUrlOf,
  deadlinesOf,
  idSecretsOf,
  localOf,
  pausedOf,
  turnstileSecretOf,
  upstreamKeyOf,
} from "./core/config/vars.ts";
import type { Deps, ChainSupport } from "./deps.ts";
import { publishableKeysOf } from "./gate/publishable-key.ts";
import { serverKeysOf } from "./gate/server-key.ts";
import { boundAssets } from "./platform/assets.ts";
import { type Budgets, durableBudgets } from "./platform/budgets.ts";
import { callbackSender } from "./platform/callback.ts";
import { durableRuns } from "./platform/runs.ts";
import { durableJobs } from "./platform/jobs.ts";
import { fetchJson } from "./platform/io/fetch-json.ts";
import { jwksCache } from "./platform/jwks.ts";
import { kvStore } from "./platform/kv.ts";
import { jsonLog, type Log } from "./platform/log.ts";
import { receiver } from "./platform/io/receive-body.ts";
import { rateLimiter } from "./platform/rate-limit.ts";
import { siteverify } from "./platform/turnstile.ts";
import { uniapi } from "./platform/upstream/upstream.ts";

/** Contract section 8, in milliseconds. */
export const DEADLINES = {
  upstream_first_byte: 120_000,
  upstream_idle: 300_000,
  upstream_total: 3_600_000,
  body: 10_000,
  /** Of the call of a job, within the time of its step. */
  job_total: 2_900_000,
  /** One try of a callback. */
  callback: 15_000,
  /** An isolate tells a budget what was used at most once in this time. */
  usage: 10_000,
};

/** What may be bound beside what wrangler.toml names: secrets, and METRICS where a deployer adds it. */
interface Settings extends Partial<Env> {
  UNIAPI_KEY?: string;
  SERVER_KEYS?: string;
  ID_KEYS?: string;
  SESSION_KEYS?: string;
  TURNSTILE_SECRET?: string;
  DEADLINES?: string;
  METRICS?: AnalyticsEngineDataset;
}

export interface Wire {
  log(env: Settings): Log;
  /** Whether it is said to be a developer's machine; needs no other setting to be right. */
  local(env: Settings): boolean;
  /** @throws Problem misconfigured */
  deps(env: Settings): Promise<Deps>;
}

export const now = (): number => Date.now();

/** Drawn in one go: each request needs a few. None is given twice. */
const drawn = new Uint8Array(1_024);
let left = 0;

/** `bytes` at most 64. */
export function randomHex(bytes: number): string {
  if (left < bytes) {
    crypto.getRandomValues(drawn);
    left = drawn.length;
  }
  const text = hexOf(drawn.subarray(left - bytes, left));
  drawn.fill(0, left - bytes, left);
  left -= bytes;
  return text;
}

const fetcher: typeof fetch = (input, init) => fetch(input, init);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function createWire(config: Config): Wire {
  const logs = new WeakMap<object, Log>();
  // Finished ones only: a promise of another request must not be waited for, since it ends with that request.
  const made = new WeakMap<object, Deps>();
  function log(env: Settings): Log {
    let known = logs.get(env);
    if (known === undefined) logs.set(env, (known = jsonLog((line) => console.log(line), env.METRICS)));
    return known;
  }
  return {
    log,
    local: (env) => env.ENVIRONMENT === "local",
    async deps(env) {
      const known = made.get(env);
      if (known !== undefined) return known;
      const deps = await buildDeps(config, env, log(env));
      // Whoever was first at a cold start: all share what it remembers.
      const first = made.get(env);
      if (first !== undefined) return first;
      made.set(env, deps);
      for (const line of unsafeSettings(config, deps.sessionKeys, (name) => deps.secretOf(name) !== undefined))
        deps.log.warn(line);
      return deps;
    },
  };
}

async function buildDeps(config: Config, env: Settings, log: Log): Promise<Deps> {
  const local = localOf(env.ENVIRONMENT);
  const key = upstreamKeyOf(env.UNIAPI_KEY);
  const baseUrl = baseUrlOf(env.UNIAPI_BASE_URL, local);
  if (env.RESPONSES === undefined)
    throw misconfigured("RESPONSES", "is not bound: wrangler.toml must name the KV namespace");
  const idKeys = await idKeysOf(env.ID_KEYS, key, log);
  const turnstileSecret = turnstileSecretOf(env.TURNSTILE_SECRET);
  const anonymous = await ownerOf(idKeys, "anonymous:local");
  const deadlines = { ...DEADLINES, ...(local ? deadlinesOf(env.DEADLINES) : {}) };
  const secretOf = (name: string): string | undefined => textSetting(env, name);
  const budgetsOf = (tellEveryMs: number): Budgets =>
    durableBudgets(env.BUDGETS, { now, sleep, random: randomHex, warn: log.warn, reportEveryMs: tellEveryMs });
  return {
    config,
    baseUrl,
    local,
    paused: pausedOf(env.PAUSED),
    receive: receiver(deadlines.body),
    idKeys,
    serverKeys: await serverKeysOf(env.SERVER_KEYS, idKeys),
    publishableKeys: await publishableKeysOf(config.callers.publishable, idKeys),
    sessionKeys: sessionKeysOf(env.SESSION_KEYS),
    jwks: jwksCache({ jsonFrom: fetchJson(fetcher), now, sleep, local, warn: log.warn }),
    siteverify: turnstileSecret === undefined ? undefined : siteverify(turnstileSecret, fetchJson(fetcher), local),
    anonymous: {
      kind: "anonymous",
      owner: anonymous,
      budgets: [{ name: `owner:${anonymous}`, whose: "owner", limits: {} }],
    },
    budgets: budgetsOf(deadlines.usage),
    runs: durableRuns(env.RUNS, log.warn),
    isWithinRateLimit: rateLimiter(env.RATE_LIMIT, log.warn),
    upstream: uniapi({ baseUrl, key, deadlines }, fetcher, now),
    forJobs: {
      upstream: uniapi(
        { baseUrl, key, deadlines: { ...deadlines, upstream_total: deadlines.job_total } },
        fetcher,
        now,
      ),
      budgets: budgetsOf(0),
    },
    jobs: durableJobs(env.JOB_RECORDS, { now, random: randomHex, warn: log.warn }),
    assets: boundAssets(env.ASSETS),
    callback: callbackSender({
      callbacks: config.callbacks,
      fetcher,
      now,
      deadline: deadlines.callback,
      local,
      secretOf,
      ownOrigins: config.public_url === undefined ? [] : [config.public_url],
    }),
    secretOf,
    store: kvStore(env.RESPONSES, log.warn),
    chainSupport: recentChainSupport(),
    log,
    now,
    sleep,
    random: randomHex,
  };
}

/** Models are named by callers: a full table starts anew, and so does what is a day old. */
function recentChainSupport(): ChainSupport {
  const seen = new Map<string, { echoes: boolean | undefined; at: number }>();
  return {
    get(model) {
      const one = seen.get(model);
      return one !== undefined && now() - one.at < 86_400_000 ? one.echoes : undefined;
    },
    set(model, echoes) {
      if (seen.size >= 1_000) seen.clear();
      seen.set(model, { echoes, at: now() });
    },
  };
}

async function idKeysOf(value: string | undefined, upstreamKey: string, log: Log): Promise<IdKeys> {
  const secrets = idSecretsOf(value);
  if (secrets.length > 0) return importIdKeys(secrets);
  log.warn(
    "id_keys_missing: ids derive from UNIAPI_KEY, and changing that key will forget every id. Set ID_KEYS (npm run setup makes one)",
  );
  const seed = new TextEncoder().encode(`uniapi-edge id key\0${upstreamKey}`);
  return importIdKeys([new Uint8Array(await crypto.subtle.digest("SHA-256", seed))]);
}

/** Bindings that are no text are no secret. */
function textSetting(env: Settings, name: string): string | undefined {
  const value: unknown = Object.hasOwn(env, name) ? (env as Record<string, unknown>)[name] : undefined;
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
}
