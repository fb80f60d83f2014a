// Builds Deps from settings and bindings, once per isolate and env. No other module reads settings. If a setting is wrong, every request
// fails with an error that names the setting but never shows its value.
import type { Config } from "./core/config/define-config.ts";
import { hexOf } from "./core/lib/bytes.ts";
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
  sessionKeysOf,
} from "./core/config/vars.ts";
import type { Deps } from "./deps.ts";
import { readPublishableKeys } from "./gate/publishable-key.ts";
import { readServerKeys } from "./gate/server-key.ts";
import { createAssetFetcher } from "./platform/assets.ts";
import { type Budgets, createBudgets } from "./platform/budgets.ts";
import { createCallbackSender } from "./platform/callback.ts";
import { createChainSupport } from "./platform/chain-support.ts";
import { createRuns } from "./platform/runs.ts";
import { createJobs } from "./platform/jobs.ts";
import { createJsonFetcher } from "./platform/io/fetch-json.ts";
import { createJwksCache } from "./platform/jwks.ts";
import { createStore } from "./platform/kv.ts";
import { createLog, type Log } from "./platform/log.ts";
import { createReceiver } from "./platform/io/receive-body.ts";
import { createRecentItems } from "./platform/recent-items.ts";
import { createRateLimiter } from "./platform/rate-limit.ts";
import { createShutdownWarnings } from "./platform/shutdown-warnings.ts";
import { createSiteverify } from "./platform/turnstile.ts";
import { type Upstream, createUpstream } from "./platform/upstream/upstream.ts";
import { type IdKeys, importIdKeys, ownerOf } from "./core/callers/owner.ts";

/** The deadlines of docs/contract.md §8, in milliseconds. */
export const DEADLINES = {
  upstream_first_byte: 120_000,
  upstream_idle: 300_000,
  upstream_total: 3_600_000,
  body: 10_000,
  /** The `upstream_total` of a job's call. It is shorter than the timeout of the job's Workflow step. */
  job_total: 2_900_000,
  /** One attempt at a callback. */
  callback: 15_000,
  /** The shortest time between two reports of usage from one isolate to one budget. */
  usage: 10_000,
};

/** The bindings of wrangler.toml, the secrets, and METRICS if the deployer adds it. Any of them may be missing. */
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
  log: (env: Settings) => Log;
  /** Whether ENVIRONMENT is `local`. Works even if other settings are wrong. */
  isLocal: (env: Settings) => boolean;
  /** @throws Problem misconfigured */
  deps: (env: Settings) => Promise<Deps>;
}

export const now = (): number => Date.now();

export const randomHex = (bytes: number): string => hexOf(crypto.getRandomValues(new Uint8Array(bytes)));

const fetcher: typeof fetch = (input, init) => fetch(input, init);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export function createWire(config: Config): Wire {
  const logsByEnv = new WeakMap<object, Log>();
  // This map stores no promises: a request must not await the promise of another request, which may never settle after that request has
  // ended.
  const depsByEnv = new WeakMap<object, Deps>();
  function log(env: Settings): Log {
    let existing = logsByEnv.get(env);
    if (existing === undefined) logsByEnv.set(env, (existing = createLog((line) => console.log(line), env.METRICS)));
    return existing;
  }
  return {
    log,
    isLocal: (env) => env.ENVIRONMENT === "local",
    async deps(env) {
      const existing = depsByEnv.get(env);
      if (existing !== undefined) return existing;
      const deps = await buildDeps(config, env, log(env));
      // At a cold start, several requests may build Deps in parallel. All of them use the first result, because Deps contain state.
      const first = depsByEnv.get(env);
      if (first !== undefined) return first;
      depsByEnv.set(env, deps);
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
  const budgetsWith = (reportEveryMs: number): Budgets =>
    createBudgets(env.BUDGETS, { now, sleep, random: randomHex, warn: log.warn, reportEveryMs });
  const upstreamWith = (upstreamTotal: number): Upstream =>
    createUpstream(
      { baseUrl, key, deadlines: { ...deadlines, upstream_total: upstreamTotal } },
      fetcher,
      now,
      randomHex,
    );
  const jobUpstream = upstreamWith(deadlines.job_total);
  // Nothing runs after a step of a Workflow, so a job's sums must be sent immediately.
  const jobBudgets = budgetsWith(0);
  const deps: Deps = {
    config,
    baseUrl,
    local,
    paused: pausedOf(env.PAUSED),
    receive: createReceiver(deadlines.body, now),
    idKeys,
    serverKeys: await readServerKeys(env.SERVER_KEYS, idKeys),
    publishableKeys: await readPublishableKeys(config.callers.publishable, idKeys),
    sessionKeys: sessionKeysOf(env.SESSION_KEYS),
    fetchJwks: createJwksCache({ fetchJson: createJsonFetcher(fetcher), now, sleep, local, warn: log.warn }),
    siteverify:
      turnstileSecret === undefined ? undefined : createSiteverify(turnstileSecret, createJsonFetcher(fetcher), local),
    anonymous: {
      kind: "anonymous",
      owner: anonymous,
      budgets: [{ name: `owner:${anonymous}`, whose: "owner", limits: {} }],
    },
    budgets: budgetsWith(deadlines.usage),
    runs: createRuns(env.RUNS, log.warn),
    isWithinRateLimit: createRateLimiter(env.RATE_LIMIT, log.warn),
    upstream: upstreamWith(deadlines.upstream_total),
    forJobs: () => ({ ...deps, upstream: jobUpstream, budgets: jobBudgets }),
    jobs: createJobs(env.JOB_RECORDS, { now, random: randomHex, warn: log.warn }),
    fetchAsset: createAssetFetcher(env.ASSETS),
    sendCallback: createCallbackSender({
      callbacks: config.callbacks,
      fetcher,
      now,
      timeoutMs: deadlines.callback,
      local,
      secretOf,
      ownOrigins: config.public_url === undefined ? [] : [config.public_url],
    }),
    secretOf,
    store: createStore(env.RESPONSES, log.warn),
    recentItems: createRecentItems(now),
    chainSupport: createChainSupport(now),
    warnOfShutdowns: createShutdownWarnings(config, now, log.warn),
    log,
    now,
    sleep,
    random: randomHex,
  };
  return deps;
}

async function idKeysOf(value: string | undefined, upstreamKey: string, log: Log): Promise<IdKeys> {
  const secrets = idSecretsOf(value);
  if (secrets.length > 0) return importIdKeys(secrets);
  log.warn(
    "id_keys_missing: ids derive from UNIAPI_KEY, and a new UNIAPI_KEY invalidates every id. Set ID_KEYS (npm run setup makes one)",
  );
  const seed = new TextEncoder().encode(`uniapi-edge id key\0${upstreamKey}`);
  return importIdKeys([new Uint8Array(await crypto.subtle.digest("SHA-256", seed))]);
}

/** Returns the setting's trimmed value; undefined if it is empty, or a binding that is not a string, such as a KV namespace. */
function textSetting(env: Settings, name: string): string | undefined {
  const value: unknown = Object.hasOwn(env, name) ? (env as Record<string, unknown>)[name] : undefined;
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
}
