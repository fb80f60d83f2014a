// Key sets of identity providers (RFC 7517), kept in the isolate. A key that is not known yet, or a set older than ten minutes, is
// asked for anew, but at most once in 30 s whatever comes: tokens with made-up key ids must not become requests to the provider.
import { type JsonFrom, type JsonObject, partsOf } from "../core/lib/json.ts";
import { Problem } from "../core/lib/problem.ts";
import { misconfigured } from "../core/config/setting.ts";

const FRESH_MS = 600_000;
const BETWEEN_ATTEMPTS_MS = 30_000;
/** Beyond a fetch's own deadline: then its request has died, and says nothing any more. */
const ATTEMPT_MS = 6_000;
const PATIENCE_MS = 5_000;
const POLL_MS = 50;
/** What a provider that is down has signed before still counts. */
const STALE_MS = 86_400_000;

/**
 * The keys of a set, which holds `kid` if the provider has it.
 * @param later keeps a fetch going whose request leaves: others wait for it
 * @throws Problem unavailable, misconfigured
 */
export type Jwks = (
  url: string,
  kid: string | undefined,
  waitUntil: (work: Promise<unknown>) => void,
) => Promise<JsonObject[]>;

interface KeySet {
  keys: JsonObject[] | undefined;
  fetchedAt: number;
  attemptedAt: number;
  attempting: boolean;
}

export interface JwksOptions {
  jsonFrom: JsonFrom;
  now: () => number;
  sleep: (ms: number) => Promise<void>;
  /** `ENVIRONMENT=local`: http on loopback is taken too. */
  local: boolean;
  warn: (event: string) => void;
}

export function jwksCache({ jsonFrom, now, sleep, local, warn }: JwksOptions): Jwks {
  const sets = new Map<string, KeySet>();

  async function attempt(url: string, set: KeySet): Promise<void> {
    // Before the first wait, so that whoever comes meanwhile sees it.
    set.attemptedAt = now();
    set.attempting = true;
    const document = await jsonFrom(url);
    set.attempting = false;
    if (document === null || !Array.isArray(document["keys"])) {
      warn("jwks_fetch_failed");
      return;
    }
    set.keys = partsOf(document["keys"]);
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
      sets.set(url, (set = { keys: undefined, fetchedAt: 0, attemptedAt: -Infinity, attempting: false }));
    const has = (keys: JsonObject[]): boolean => kid === undefined || keys.some((key) => key["kid"] === kid);
    const isGood = ({ keys, fetchedAt }: KeySet): boolean =>
      keys !== undefined && has(keys) && now() - fetchedAt < FRESH_MS;
    const arrivedAt = now();
    if (!isGood(set) && now() - set.attemptedAt >= BETWEEN_ATTEMPTS_MS) {
      const fetching = attempt(url, set);
      waitUntil(fetching);
      await fetching;
    }
    // Plain state, looked at again: a promise of another request must not be waited for, since it ends with that request.
    const isUnderWay = ({ attempting, attemptedAt }: KeySet): boolean => attempting && now() - attemptedAt < ATTEMPT_MS;
    const isKnown = ({ keys }: KeySet): boolean => keys !== undefined && has(keys);
    while (!isKnown(set) && isUnderWay(set) && now() - arrivedAt < PATIENCE_MS) await sleep(POLL_MS);
    if (set.keys !== undefined && now() - set.fetchedAt < STALE_MS) return set.keys;
    throw new Problem(
      "unavailable",
      "The keys of your identity provider can't be read at the moment. Try again in half a minute.",
      {
        retryAfter: BETWEEN_ATTEMPTS_MS / 1_000,
        reason: "no jwks",
      },
    );
  };
}
