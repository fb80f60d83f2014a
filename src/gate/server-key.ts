// Server keys: `sk_…`, for a backend, curl or cron. They have full trust. If a page that is not the Worker's own sends one, the key has
// leaked, so it is refused.
import { findKey, type Refusal } from "../core/callers/credential.ts";
import { entriesOf, misconfigured } from "../core/config/setting.ts";
import type { Caller } from "../deps.ts";
import { type IdKeys, ownerOf } from "../core/callers/owner.ts";

/**
 * Parses the server keys.
 * @param value SERVER_KEYS: `sk_…` or `name:sk_…`, separated by commas. A key without a name has the name `server`. Keys with the same name
 * belong to one owner
 * @returns the server callers by their key
 * @throws Problem 503 misconfigured
 */
export async function readServerKeys(value: string | undefined, idKeys: IdKeys): Promise<Map<string, Caller>> {
  const callers = new Map<string, Caller>();
  for (const entry of entriesOf(value)) {
    const [, name = "server", key = ""] = /^(?:([\w.-]{1,64}):)?(sk_[\x21-\x7e]{13,})$/.exec(entry) ?? [];
    if (key === "")
      throw misconfigured(
        "SERVER_KEYS",
        "must be sk_… or name:sk_…, separated by commas, each key with at least 16 characters",
      );
    const owner = await ownerOf(idKeys, `server:${name}`);
    if ((callers.get(key)?.owner ?? owner) !== owner)
      throw misconfigured("SERVER_KEYS", "has the same key under two names: give each name its own key");
    callers.set(key, { kind: "server", owner, budgets: [{ name: `owner:${owner}`, whose: "owner", limits: {} }] });
  }
  return callers;
}

/**
 * Authenticates a caller by a server key.
 * @param origin the request's Origin header
 * @param ownOrigins the origins of this Worker's own pages
 */
export function authenticateServerKey(
  credential: string,
  origin: string | null,
  ownOrigins: readonly string[],
  known: ReadonlyMap<string, Caller>,
): Caller | Refusal {
  const caller = findKey(credential, known);
  if (caller === undefined) return { refused: "unknown_key" };
  if (origin !== null && !ownOrigins.includes(origin)) return { refused: "wrong_origin" };
  return caller;
}
