// May this answer be kept, may a kept one be given, and under which key: the exact-repeat cache's rules (contract section 4).
// Pure: the hash itself is ids.ts's HMAC, over the canonical text made here.
import { isRecord, type JsonObject, partsOf } from "../lib/json.ts";
import { itemsOf, readOutput } from "../reply/trim.ts";

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

/** The directives of a request's Cache-Control that mean something here (RFC 9111, section 5.2.1). */
export interface CacheControl {
  noStore: boolean;
  noCache: boolean;
  maxAge: number | undefined;
}

export function readCacheControl(header: string | null): CacheControl {
  const control: CacheControl = { noStore: false, noCache: false, maxAge: undefined };
  for (const directive of (header ?? "").toLowerCase().split(",")) {
    const [name, value] = directive.trim().split("=");
    if (name === "no-store") control.noStore = true;
    if (name === "no-cache") control.noCache = true;
    if (name === "max-age" && value !== undefined && /^"?\d{1,10}"?$/.test(value)) control.maxAge = Number(value.replaceAll('"', ""));
  }
  if (control.maxAge === 0) control.noCache = true;
  return control;
}

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
  if (settings === false || wish === false || control.noStore || body["store"] === false || asksForHostedTool(body)) return BYPASS;
  const fresh = wish === "refresh" || wish === 0 || (wish === undefined && control.noCache);
  const seconds = typeof wish === "number" ? wish : wish === undefined && !fresh ? control.maxAge : undefined;
  const ttl = Math.min(MAX_TTL_S, seconds ?? settings.ttl);
  const read = fresh ? false : ttl;
  return { read, write: Math.max(MIN_TTL_S, ttl), scope: settings.scope };
}

/** Only a whole answer that says something and leaves nothing to do: completed, and no function to call. */
export function isKeepable(response: JsonObject): boolean {
  if (response["status"] !== "completed" || itemsOf(response).some((item) => String(item["type"]).endsWith("_call"))) return false;
  const { text, refusal } = readOutput(response);
  return text !== "" || refusal !== "";
}

/** Hosted tools look at a world that changes; functions are the caller's own. */
function asksForHostedTool(body: JsonObject): boolean {
  return partsOf(body["tools"]).some((tool) => tool["type"] !== "function" && tool["type"] !== "custom");
}

/**
 * The one text of a composed request: objects by sorted keys, but for JSON Schemas and tool parameters, where models read
 * the order. No field is left out by a list. `stream` is not part of a composed request.
 */
export function canonical(body: JsonObject): string {
  const out: JsonObject = {};
  for (const key of Object.keys(body).toSorted()) {
    out[key] = sorted(body[key], key === "tools" ? "parameters" : key === "text" ? "schema" : undefined);
  }
  return JSON.stringify(out);
}

/** @param verbatim the key whose value keeps its order */
function sorted(value: unknown, verbatim: string | undefined): unknown {
  if (Array.isArray(value)) return value.map((element) => sorted(element, verbatim));
  if (!isRecord(value)) return value;
  const out: JsonObject = {};
  for (const key of Object.keys(value).toSorted()) out[key] = key === verbatim ? value[key] : sorted(value[key], verbatim);
  return out;
}
