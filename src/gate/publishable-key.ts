// Publishable keys: `pk_…`, for a page or app without a login. Anyone can read such a key, so it grants only its presets, within the budgets
// of one visitor and of all visitors together. A visitor is an IP address. All requests without an address count as one visitor.
import type { PublishableKey } from "../core/config/config-schema.ts";
import { findKey, type Refusal } from "../core/callers/credential.ts";
import type { Caller, PublishableCaller } from "../deps.ts";
import { deriveDigest, type IdKeys, ownerOf } from "../core/callers/owner.ts";

/** Indexes the configured publishable keys by the key itself, each with its owner. */
export async function readPublishableKeys(
  keys: readonly PublishableKey[],
  idKeys: IdKeys,
): Promise<Map<string, PublishableCaller>> {
  const callers = new Map<string, PublishableCaller>();
  for (const key of keys) callers.set(key.key, { owner: await ownerOf(idKeys, `publishable:${key.id}`), key });
  return callers;
}

/**
 * Authenticates a caller by a publishable key.
 * @param address the visitor's IP address (`addressOf` in authenticate.ts)
 */
export async function authenticatePublishableKey(
  credential: string,
  address: string | null,
  known: ReadonlyMap<string, PublishableCaller>,
  idKeys: IdKeys,
): Promise<Caller | Refusal> {
  const entry = findKey(credential, known);
  if (entry === undefined) return { refused: "unknown_key" };
  const { owner, key } = entry;
  const visitor = await deriveDigest(idKeys, "visitor", `${owner}${address ?? "unknown"}`);
  return {
    kind: "publishable",
    owner,
    grant: { presets: key.presets },
    budgets: [
      { name: `visitor:${visitor}`, whose: "visitor", limits: key.per_visitor },
      { name: `total:publishable:${key.id}`, whose: "total", limits: key.total },
    ],
  };
}
