// Who a locked caller is, for upstream: two digests of the owner, put beside the request after its cache key is made, so that a shared
// answer stays shared. What the request or the preset says of them does not count.
import { deriveDigest, type IdKeys } from "../core/callers/ids.ts";
import type { JsonObject } from "../core/lib/json.ts";
import type { Deps, RequestContext } from "../deps.ts";

/** Callers whose digests an isolate remembers; beyond that it begins anew. */
const MAX_KNOWN = 1_000;
const known = new WeakMap<IdKeys, Map<string, JsonObject>>();

/** Fields for upstream's abuse detection and its prompt cache; none for callers with full trust, who send their own. */
export async function identityOf(
  deps: Deps,
  { caller }: RequestContext,
  preset: string | undefined,
): Promise<JsonObject> {
  if (caller.grant === undefined) return {};
  const ofKeys = known.get(deps.idKeys) ?? new Map<string, JsonObject>();
  known.set(deps.idKeys, ofKeys);
  const name = `${caller.owner}\0${preset ?? ""}`;
  const before = ofKeys.get(name);
  if (before !== undefined) return before;
  const identity = {
    safety_identifier: await deriveDigest(deps.idKeys, "safety", caller.owner),
    prompt_cache_key: await deriveDigest(deps.idKeys, "prompt-cache", name),
  };
  if (ofKeys.size >= MAX_KNOWN) ofKeys.clear();
  ofKeys.set(name, identity);
  return identity;
}
