// What the path of a request may use of the outside: plain functions and values, made by wire.ts from the bindings. Types only.
import type { Caller } from "./core/callers/caller.ts";
import type { Config } from "./core/config/define-config.ts";
import type { PublishableKey } from "./core/config/config-schema.ts";
import type { IdKeys } from "./core/callers/ids.ts";
import type { SessionKey } from "./core/config/session-keys.ts";
import type { Assets } from "./platform/assets.ts";
import type { Budgets } from "./platform/budgets.ts";
import type { SendCallback } from "./platform/callback.ts";
import type { Jobs } from "./platform/jobs.ts";
import type { Runs } from "./platform/runs.ts";
import type { Jwks } from "./platform/jwks.ts";
import type { Store } from "./platform/kv.ts";
import type { Log, LogFields } from "./platform/log.ts";
import type { Receive } from "./platform/io/receive-body.ts";
import type { Siteverify } from "./platform/turnstile.ts";
import type { Upstream } from "./platform/upstream/upstream.ts";

export type { Caller };

export interface Deps {
  config: Config;
  upstream: Upstream;
  /** In their place for jobs: upstream within a job's own deadline, budgets that are told at once, since a step leaves nothing behind. */
  forJobs: { upstream: Upstream; budgets: Budgets };
  jobs: Jobs;
  /** Files that are deployed beside the bundle. */
  assets: Assets;
  /** Posts to one of the config's callbacks, once. */
  callback: SendCallback;
  /** A secret that the config names, undefined where it is not set. */
  secretOf: (name: string) => string | undefined;
  store: Store;
  idKeys: IdKeys;
  /** Base URL of upstream: another upstream gives other answers, so cache keys hold it. */
  baseUrl: string;
  /** `ENVIRONMENT=local`. */
  local: boolean;
  paused: boolean;
  receive: Receive;
  /** Callers by their server key. */
  serverKeys: ReadonlyMap<string, Caller>;
  /** By the key. */
  publishableKeys: ReadonlyMap<string, PublishableCaller>;
  /** The first signs; none: sessions are off. */
  sessionKeys: readonly SessionKey[];
  /** Keys of identity providers. */
  jwks: Jwks;
  /** undefined without TURNSTILE_SECRET. */
  siteverify: Siteverify | undefined;
  anonymous: Caller;
  /** Requests, tokens and money per caller. */
  budgets: Budgets;
  /** Requests that repeat themselves under one Idempotency-Key. */
  runs: Runs;
  /** Whether one more request under this key is within RATE_LIMIT; true where that can't be said. */
  isWithinRateLimit: (key: string) => Promise<boolean>;
  /** Whether a model names the parent that it was given: what this isolate has seen within a day. */
  chainSupport: ChainSupport;
  log: Log;
  /** Milliseconds since 1970. */
  now: () => number;
  sleep: (ms: number) => Promise<void>;
  /** `bytes` random bytes in hex. */
  random: (bytes: number) => string;
}

export interface ChainSupport {
  /** undefined: not known. */
  get: (model: string) => boolean | undefined;
  set: (model: string, echoes: boolean | undefined) => void;
}

/** A publishable key and whose it is. */
export interface PublishableCaller {
  owner: string;
  key: PublishableKey;
}

/** What a request has beside its content. */
export interface RequestContext {
  requestId: string;
  caller: Caller;
  /** Aborted when the caller has left; undefined where nobody waits. */
  signal: AbortSignal | undefined;
  /** Work that goes on after the answer. */
  waitUntil: (work: Promise<unknown>) => void;
  /** Facts for the request's log line, filled in on the way. */
  logFields: LogFields;
}
