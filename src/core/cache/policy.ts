// May this answer be kept, may a kept one be given, and under which key: the exact-repeat cache's rules (contract section 4).
// Pure: the hash itself is ids.ts's HMAC, over the canonical text made here.
import { type JsonObject, recordsOf } from "../lib/json.ts";
import type { CacheControl } from "../request/cache-control.ts";
import { itemsOf, readOutput } from "../upstream/output.ts";

/** KV keeps nothing shorter. */
const MIN_TTL_S = 60;
/** A caller's `cache: N` beyond this is cut to it: a year, RFC 9111's old habit. */
const MAX_TTL_S = 31_536_000;

export interface CacheSettings {
  /** Seconds. */
  ttl: number;
  scope: "owner" | "shared";
}

export interface CachePlan {
  /** Greatest age in seconds of a kept answer that may be given; false: don't look. */
  read: number | false;
  /** Seconds to keep the new answer; false: don't. */
  write: number | false;
  scope: "owner" | "shared";
}

const BYPASS: CachePlan = { read: false, write: false, scope: "owner" };

/**
 * @param wish the request's `cache` field; it wins over Cache-Control, but for `no-store`, which always holds
 * @param settings the preset's cache, else the config's; false where the deployer turned it off, which no request turns on
 * @param body the composed request: what asks for a hosted tool, or for `store: false`, is never kept
 */
export function planCache(
  wish: false | "refresh" | number | undefined,
  control: CacheControl,
  settings: CacheSettings | false,
  body: JsonObject,
): CachePlan {
  if (settings === false || wish === false || control.noStore || body["store"] === false || asksForHostedTool(body))
    return BYPASS;
  const fresh = wish === "refresh" || wish === 0 || (wish === undefined && control.noCache);
  const seconds = typeof wish === "number" ? wish : wish === undefined && !fresh ? control.maxAge : undefined;
  const ttl = Math.min(MAX_TTL_S, seconds ?? settings.ttl);
  const read = fresh ? false : ttl;
  return { read, write: Math.max(MIN_TTL_S, ttl), scope: settings.scope };
}

/** Only a whole answer that says something and leaves nothing to do: completed, and no function to call. */
export function isCacheable(response: JsonObject): boolean {
  if (response["status"] !== "completed" || itemsOf(response).some((item) => String(item["type"]).endsWith("_call")))
    return false;
  const { text, refusal } = readOutput(response);
  return text !== "" || refusal !== "";
}

/** Hosted tools look at a world that changes; functions are the caller's own. */
function asksForHostedTool(body: JsonObject): boolean {
  return recordsOf(body["tools"]).some((tool) => tool["type"] !== "function" && tool["type"] !== "custom");
}
