// Key sets of identity providers (RFC 7517), cached in the isolate. A set is fetched again for an unknown key id or after ten minutes, but
// at most once in 30 s, so that not every token with an invented key id causes a request to the provider.
import { type FetchJson, type JsonObject, recordsOf } from "../core/lib/json.ts";
import { Problem } from "../core/lib/problem.ts";
import { misconfigured } from "../core/config/setting.ts";

const FRESH_MS = 600_000;
const ATTEMPT_INTERVAL_MS = 30_000;
/** Longer than a fetch's own deadline. If a fetch has taken longer, the request that began it has ended without a result. */
const ATTEMPT_MS = 6_000;
/** How long a request waits for another request's fetch. */
const WAIT_MS = 5_000;
const POLL_MS = 50;
/** How long a provider's last key set remains valid while the provider is down. */
const STALE_MS = 86_400_000;

/**
 * Returns the keys of a provider's set. The key `kid` is missing if the provider lacks it, or if the set could not be fetched
 * again.
 * @param waitUntil lets a fetch continue if its request ends early, because other requests may wait for the fetch
 * @throws Problem unavailable if no fetch has succeeded within the last day; misconfigured if the URL must be https
 */
export type FetchJwks = (
  url: string,
  kid: string | undefined,
  waitUntil: (work: Promise<unknown>) => void,
) => Promise<JsonObject[]>;

/** The times are in milliseconds since 1970. */
interface KeySet {
  /** Undefined until the first fetch has succeeded. */
  keys: JsonObject[] | undefined;
  fetchedAt: number;
  attemptedAt: number;
  isFetching: boolean;
}

export interface JwksOptions {
  fetchJson: FetchJson;
  now: () => number;
  sleep: (ms: number) => Promise<void>;
  /** `ENVIRONMENT=local`: http on loopback is accepted too. */
  local: boolean;
  warn: (event: string) => void;
}

export function createJwksCache({ fetchJson, now, sleep, local, warn }: JwksOptions): FetchJwks {
  const sets = new Map<string, KeySet>();

  async function attempt(url: string, set: KeySet): Promise<void> {
    // These are set before the first await, so that other requests see the fetch.
    set.attemptedAt = now();
    set.isFetching = true;
    const document = await fetchJson(url);
    set.isFetching = false;
    if (document === null || !Array.isArray(document["keys"])) {
      warn("jwks_fetch_failed");
      return;
    }
    set.keys = recordsOf(document["keys"]);
    set.fetchedAt = now();
  }

  return async function keysOf(url, kid, waitUntil) {
    if (!local && !url.startsWith("https:")) {
      throw misconfigured(
        "callers.jwt (src/config.ts)",
        "has a jwks_url that is not https, which works under ENVIRONMENT=local only",
      );
    }
    let set = sets.get(url);
    if (set === undefined)
      sets.set(url, (set = { keys: undefined, fetchedAt: 0, attemptedAt: -Infinity, isFetching: false }));
    const hasKey = ({ keys }: KeySet): boolean =>
      keys !== undefined && (kid === undefined || keys.some((key) => key["kid"] === kid));
    const arrivedAt = now();
    const isFresh = hasKey(set) && now() - set.fetchedAt < FRESH_MS;
    if (!isFresh && now() - set.attemptedAt >= ATTEMPT_INTERVAL_MS) {
      const fetching = attempt(url, set);
      waitUntil(fetching);
      await fetching;
    }
    // Polls plain state, because a request must not await another request's promise, which may never settle once that request has ended.
    const isUnderWay = ({ isFetching, attemptedAt }: KeySet): boolean => isFetching && now() - attemptedAt < ATTEMPT_MS;
    while (!hasKey(set) && isUnderWay(set) && now() - arrivedAt < WAIT_MS) await sleep(POLL_MS);
    if (set.keys !== undefined && now() - set.fetchedAt < STALE_MS) return set.keys;
    throw new Problem(
      "unavailable",
      "The keys of your identity provider can't be read at the moment. Try again in half a minute.",
      { retryAfter: ATTEMPT_INTERVAL_MS / 1_000, reason: "no jwks" },
    );
  };
}
