// Key sets of identity providers (RFC 7517), cached in the isolate. A set is fetched again for an unknown key id or after ten minutes,
// but at most once in 30 s: tokens with invented key ids must not become requests to the provider.
import { type FetchJson, type JsonObject, recordsOf } from "../core/lib/json.ts";
import { Problem } from "../core/lib/problem.ts";
import { misconfigured } from "../core/config/setting.ts";

const FRESH_MS = 600_000;
const ATTEMPT_INTERVAL_MS = 30_000;
/** Longer than a fetch's own deadline. After that time the request that began the fetch has ended without a result. */
const ATTEMPT_MS = 6_000;
/** A request waits this long for the fetch of another request. */
const WAIT_MS = 5_000;
const POLL_MS = 50;
/** While a provider is down, its last key set remains valid for this time. */
const STALE_MS = 86_400_000;

/**
 * The keys of a provider's set. The key `kid` is among them if the provider has it.
 * @param waitUntil lets a fetch go on when its request ends early: other requests wait for it
 * @throws Problem unavailable, misconfigured
 */
export type Jwks = (
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

export function jwksCache({ fetchJson, now, sleep, local, warn }: JwksOptions): Jwks {
  const sets = new Map<string, KeySet>();

  async function attempt(url: string, set: KeySet): Promise<void> {
    // Set before the first await, so that other requests see it.
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
    // Polls plain state: a request must not wait for the promise of another request, which ends with that request.
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
