// The types of Deps and of a request's context. Deps are all functions and values outside the core that a request may use. src/wire.ts
// builds them from the bindings. This module contains no code.
import type { Caller } from "./core/callers/caller.ts";
import type { Config } from "./core/config/define-config.ts";
import type { PublishableKey } from "./core/config/config-schema.ts";
import type { FetchAsset } from "./platform/assets.ts";
import type { Budgets } from "./platform/budgets.ts";
import type { SendCallback } from "./platform/callback.ts";
import type { ChainSupport } from "./platform/chain-support.ts";
import type { Jobs } from "./platform/jobs.ts";
import type { Runs } from "./platform/runs.ts";
import type { FetchJwks } from "./platform/jwks.ts";
import type { Store } from "./platform/kv.ts";
import type { Log, LogFields } from "./platform/log.ts";
import type { Receive } from "./platform/io/receive-body.ts";
import type { RecentItems } from "./platform/recent-items.ts";
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
  /** Returns the Deps of a job. They differ in upstream's total deadline, and they send every sum to its budget immediately. */
  forJobs: () => Deps;
  jobs: Jobs;
  /** Fetches a file that is deployed beside the bundle. */
  fetchAsset: FetchAsset;
  /** Sends one request to a callback of the config. */
  sendCallback: SendCallback;
  /** The value of a secret that the config names; undefined if it is not set. */
  secretOf: (name: string) => string | undefined;
  /** Turns, items, cached answers and chain support in KV. */
  store: Store;
  /** The items that this isolate wrote to KV a moment ago. */
  recentItems: RecentItems;
  idKeys: IdKeys;
  /** Base URL of upstream. It is part of cache keys, since another upstream gives other answers. */
  baseUrl: string;
  /** Whether ENVIRONMENT is `local`. */
  local: boolean;
  /** Whether PAUSED is 1, which stops all paid routes. */
  paused: boolean;
  /** Reads a request's body within a deadline and a size limit. */
  receive: Receive;
  /** The caller of each server key. */
  serverKeys: ReadonlyMap<string, Caller>;
  /** The settings and the owner of each publishable key. */
  publishableKeys: ReadonlyMap<string, PublishableCaller>;
  /** The first key signs session tokens, and all of them verify. If the list is empty, sessions are off. */
  sessionKeys: readonly SessionKey[];
  /** Returns the signature keys of an identity provider. */
  fetchJwks: FetchJwks;
  /** Verifies a Turnstile token. Undefined if TURNSTILE_SECRET is not set. */
  siteverify: Siteverify | undefined;
  /** The caller of a local request without a credential. */
  anonymous: Caller;
  /** Limits and counts requests, tokens and USD per caller. */
  budgets: Budgets;
  /** Upstream calls that requests with the same Idempotency-Key share. */
  runs: Runs;
  /** Whether one more request under this key is within the rate limit. True if RATE_LIMIT fails or is not bound. */
  isWithinRateLimit: (key: string) => Promise<boolean>;
  /** Which models continue a conversation by id, as this isolate has observed within a day. */
  chainSupport: ChainSupport;
  /** Warns of models in the config that their provider will shut down soon. */
  warnOfShutdowns: WarnOfShutdowns;
  log: Log;
  /** Milliseconds since 1970. */
  now: () => number;
  sleep: (ms: number) => Promise<void>;
  /** Returns that many random bytes, in hex. */
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
  /** Aborts when the caller disconnects; undefined if no caller waits. */
  signal: AbortSignal | undefined;
  /** Keeps the isolate alive for work that continues after the answer. */
  waitUntil: (work: Promise<unknown>) => void;
  /** The fields of the request's log line, which are added while the request is answered. */
  logFields: LogFields;
}
