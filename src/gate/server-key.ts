// Server keys: `sk_…`, for a backend, curl or cron. Full trust, so a key that comes from a web page is refused: it is out.
import { base64url } from "../core/ids.ts";
import type { Caller } from "../deps.ts";

/** Why a credential is refused: for the log, and under `local` for the message. */
export type Refusal = { refused: "unknown_key" | "wrong_origin" | "not_bearer" };

/** What a key is looked up by: the digest makes the look-up's timing say nothing about the key. */
export async function keyDigest(key: string): Promise<string> {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key))));
}

/**
 * @param origin the request's Origin header
 * @param ownOrigins the Worker's own
 */
export async function serverKey(
  credential: string,
  origin: string | null,
  ownOrigins: readonly string[],
  known: ReadonlyMap<string, Caller>,
): Promise<Caller | Refusal> {
  const caller = known.get(await keyDigest(credential));
  if (caller === undefined) return { refused: "unknown_key" };
  if (origin !== null && !ownOrigins.includes(origin)) return { refused: "wrong_origin" };
  return caller;
}
