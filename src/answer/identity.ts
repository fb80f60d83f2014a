// Who a locked caller is, for upstream: two digests of the owner, put beside the request after its cache key is made, so that a shared
// answer stays shared. What the request or the preset says of them does not count.
import { deriveDigest } from "../core/ids.ts";
import type { JsonObject } from "../core/json.ts";
import type { Deps, RequestContext } from "../deps.ts";

/** Fields for upstream's abuse detection and its prompt cache; none for callers with full trust, who send their own. */
export async function identityOf(deps: Deps, { caller }: RequestContext, preset: string | undefined): Promise<JsonObject> {
  if (caller.grant === undefined) return {};
  return {
    safety_identifier: await deriveDigest(deps.idKeys, "safety", caller.owner),
    prompt_cache_key: await deriveDigest(deps.idKeys, "prompt-cache", `${caller.owner}\0${preset ?? ""}`),
  };
}
