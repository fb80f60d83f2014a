// The rules of the exact-repeat cache (docs/contract.md §4): whether a cached answer may be used, and whether the new one may be stored.
import { type JsonObject, recordsOf } from "../lib/json.ts";
import type { CacheControl } from "../request/headers.ts";
import { itemsOf, readOutput } from "../upstream/output.ts";

/** The shortest lifetime that KV accepts. */
const MIN_TTL_S = 60;
/** The longest lifetime: a year. A caller's larger `cache: N` is reduced to it. */
const MAX_TTL_S = 31_536_000;

export interface CacheSettings {
  /** Seconds. */
  ttl: number;
  scope: "owner" | "shared";
}

export interface CachePlan {
  /** The greatest age of a cached answer that may be used, in seconds; false: don't read the cache. */
  read: number | false;
  /** How long to store the new answer, in seconds; false: don't store it. */
  write: number | false;
  scope: "owner" | "shared";
}

const BYPASS: CachePlan = { read: false, write: false, scope: "owner" };

/**
 * Whether a request reads the cache, and whether its answer is stored there.
 * @param cacheField the request's `cache` field. It overrides Cache-Control, except for `no-store`
 * @param settings the preset's cache, else the config's; false if the deployer has turned it off, which no request can change
 * @param body the composed request: the answer to one with a hosted tool or `store: false` is never stored
 */
export function planCache(
  cacheField: false | "refresh" | number | undefined,
  control: CacheControl,
  settings: CacheSettings | false,
  body: JsonObject,
): CachePlan {
  if (
    settings === false ||
    cacheField === false ||
    control.noStore ||
    body["store"] === false ||
    asksForHostedTool(body)
  )
    return BYPASS;
  const isRefresh = cacheField === "refresh" || cacheField === 0 || (cacheField === undefined && control.noCache);
  const seconds =
    typeof cacheField === "number" ? cacheField : cacheField === undefined && !isRefresh ? control.maxAge : undefined;
  const ttl = Math.min(MAX_TTL_S, seconds ?? settings.ttl);
  const read = isRefresh ? false : ttl;
  return { read, write: Math.max(MIN_TTL_S, ttl), scope: settings.scope };
}

/** Whether an answer may be stored: completed, not empty, and without a function call for the caller to carry out. */
export function isCacheable(response: JsonObject): boolean {
  if (response["status"] !== "completed" || itemsOf(response).some((item) => String(item["type"]).endsWith("_call")))
    return false;
  const { text, refusal } = readOutput(response);
  return text !== "" || refusal !== "";
}

/** Results of hosted tools change with time. Functions don't count: the caller carries them out. */
function asksForHostedTool(body: JsonObject): boolean {
  return recordsOf(body["tools"]).some((tool) => tool["type"] !== "function" && tool["type"] !== "custom");
}
