// The rules of the exact-repeat cache (docs/contract.md §4): whether a cached answer may be used, and whether a new answer may be stored.
import { isRecord, type JsonObject, recordsOf, textOf } from "../lib/json.ts";
import type { CacheControl } from "../request/headers.ts";
import { itemsOf, readOutput } from "../upstream/output.ts";

/** The shortest lifetime that KV accepts, in seconds. */
const MIN_TTL_S = 60;
/** The longest lifetime, which is one year. A caller's larger `cache: N` is reduced to it. */
const MAX_TTL_S = 31_536_000;

export interface CacheSettings {
  /** In seconds. */
  ttl: number;
  scope: "owner" | "shared";
}

export interface CachePlan {
  /** The greatest age in seconds of a cached answer that may be used; false if the cache must not be read. */
  read: number | false;
  /** How long to store the new answer, in seconds; false if it must not be stored. */
  write: number | false;
  scope: "owner" | "shared";
}

const BYPASS: CachePlan = { read: false, write: false, scope: "owner" };

/**
 * Decides whether a request reads the cache, and whether its answer is stored there.
 * @param cacheField the request's `cache` field, which overrides Cache-Control, except for `no-store`
 * @param settings the preset's cache, or else the config's; false if the cache is off, which `cacheField` and `control` can't change
 * @param body the composed request; with a hosted tool or `store: false`, it neither reads nor writes the cache
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

/** Whether an answer may be stored: it is completed, has text or a refusal, and contains no tool call. */
export function isCacheable(response: JsonObject): boolean {
  if (response["status"] !== "completed" || isRecord(response["error"]) || isRecord(response["incomplete_details"]))
    return false;
  const items = itemsOf(response);
  if (items.some((item) => textOf(item["type"]).endsWith("_call") || item["status"] === "incomplete")) return false;
  const { text, refusal } = readOutput(response);
  return text !== "" || refusal !== "";
}

/** Whether a request has a hosted tool, whose results change over time. The caller executes functions and custom tools itself. */
function asksForHostedTool(body: JsonObject): boolean {
  return recordsOf(body["tools"]).some((tool) => tool["type"] !== "function" && tool["type"] !== "custom");
}
