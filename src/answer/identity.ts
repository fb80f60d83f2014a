// Two digests by which upstream distinguishes restricted callers. They replace the request's and the preset's values of the same fields.
// They are added to the body after its cache key is computed, so that callers can share a cached answer.
import type { JsonObject } from "../core/lib/json.ts";
import type { Deps, RequestContext } from "../deps.ts";
import { deriveDigest, type IdKeys } from "../core/callers/owner.ts";

/** The most identities that an isolate stores. A full table is emptied. */
const MAX_IDENTITIES = 1_000;
const identitiesByKeys = new WeakMap<IdKeys, Map<string, JsonObject>>();

/**
 * Builds the fields of the upstream body for abuse detection and for the prompt cache.
 * @returns an empty object for a server caller, which sends its own fields
 */
export async function identityOf(
  deps: Deps,
  { caller }: RequestContext,
  preset: string | undefined,
): Promise<JsonObject> {
  if (caller.grant === undefined) return {};
  const identities = identitiesByKeys.get(deps.idKeys) ?? new Map<string, JsonObject>();
  identitiesByKeys.set(deps.idKeys, identities);
  const name = `${caller.owner}\0${preset ?? ""}`;
  const known = identities.get(name);
  if (known !== undefined) return known;
  const identity = {
    safety_identifier: await deriveDigest(deps.idKeys, "safety", caller.owner),
    prompt_cache_key: await deriveDigest(deps.idKeys, "prompt-cache", name),
  };
  if (identities.size >= MAX_IDENTITIES) identities.clear();
  identities.set(name, identity);
  return identity;
}
