// Everything outside the core that a request may use: plain functions and values, built from the bindings by src/wire.ts. Types only.
import type { Caller } from "./core/callers/caller.ts";
import type { Config } from "./core/config/define-config.ts";
import type { PublishableKey } from "./core/config/config-schema.ts";
import type { Assets } from "./platform/assets.ts";
import type { Budgets } from "./platform/budgets.ts";
import type { SendCallback } from "./platform/callback.ts";
import type { ChainSupport } from "./platform/chain-support.ts";
import type { Jobs } from "./platform/jobs.ts";
import type { Runs } from "./platform/runs.ts";
import type { Jwks } from "./platform/jwks.ts";
import type { Store } from "./platform/kv.ts";
import type { Log, LogFields } from "./platform/log.ts";
import type { Receive } from "./platform/io/receive-body.ts";
import type { WarnOfShutdowns } from "./platform/shutdown-warnings.ts";
import type { Siteverify } from "./platform/turnstile.ts";
import type { Upstream } from "./platform/upstream/upstream.ts";
import type { IdKeys } from "./core/callers/owner.ts";
import type { SessionKey } from "./core/config/vars.ts";

export type { Caller };

export interface Deps {
  config: Config;
  /** Calls UniAPI. */
  upstream: Upstream;
  /** The same for a job, except that upstream has a job's own deadline and budgets receive every sum at once. */
  forJobs: () => Deps;
  jobs: Jobs;
  /** Files deployed beside the bundle. */
  assets: Assets;
  /** Sends one request to a callback of the config. */
  callback: SendCallback;
  /** The value of a secret that the config names; undefined if it is not set. */
  secretOf: (name: string) => string | undefined;
  /** Turns, cached answers and chain support in KV. */
  store: Store;
  idKeys: IdKeys;
  /** Base URL of upstream. It is part of cache keys, since another upstream gives other answers. */
  baseUrl: string;
  /** `ENVIRONMENT=local`. */
  local: boolean;
  paused: boolean;
  /** Reads a request's body within a deadline and a size. */
  receive: Receive;
  /** Callers by their server key. */
  serverKeys: ReadonlyMap<string, Caller>;
  /** Publishable keys by the key itself. */
  publishableKeys: ReadonlyMap<string, PublishableCaller>;
  /** The first one signs. If there are none, sessions are off. */
  sessionKeys: readonly SessionKey[];
  /** Signature keys of identity providers. */
  jwks: Jwks;
  /** Undefined if TURNSTILE_SECRET is not set. */
  siteverify: Siteverify | undefined;
  /** The caller of a local request without a credential. */
  anonymous: Caller;
  /** Requests, tokens and USD per caller. */
  budgets: Budgets;
  /** Upstream calls that requests with the same Idempotency-Key share. */
  runs: Runs;
  /** Whether one more request under this key is within RATE_LIMIT. True if RATE_LIMIT fails or is not bound. */
  isWithinRateLimit: (key: string) => Promise<boolean>;
  /** Which models continue a conversation by id, as this isolate has observed within a day. */
  chainSupport: ChainSupport;
  /** Warns of models that the config names and that end soon. */
  warnOfShutdowns: WarnOfShutdowns;
  log: Log;
  /** Milliseconds since 1970. */
  now: () => number;
  sleep: (ms: number) => Promise<void>;
  /** `bytes` random bytes in hex. */
  random: (bytes: number) => string;
}

/** A publishable key and its owner. */
export interface PublishableCaller {
  owner: string;
  key: PublishableKey;
}

/** Everything about a request except its content. */
export interface RequestContext {
  requestId: string;
  caller: Caller;
  /** Aborted when the caller disconnects; undefined if no caller waits. */
  signal: AbortSignal | undefined;
  /** Keeps the isolate alive for work that continues after the answer. */
  waitUntil: (work: Promise<unknown>) => void;
  /** Fields of the request's log line, added while it is answered. */
  logFields: LogFields;
}
