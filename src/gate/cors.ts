// CORS (Fetch standard): which pages may read our responses. Origins match exactly, and cookies are never allowed. Under ENVIRONMENT=local,
// pages from this machine that send no credential may read responses, too. authenticate.ts finds the caller.
import type { Config } from "../core/config/define-config.ts";
import { Problem } from "../core/lib/problem.ts";
import { isLocalOrigin } from "../core/lib/url-rules.ts";

/** Response headers that a page may read. */
const EXPOSED =
  "age, cache-status, retry-after, x-continuity, x-request-id, x-response-id, x-response-status, x-should-retry";
const METHODS = "GET, POST, DELETE";
/** Seconds for which a browser may cache a preflight. Browsers have lower caps of their own. */
const MAX_AGE = "600";

export interface CorsRules {
  config: Config;
  /** `ENVIRONMENT=local`. */
  local: boolean;
}

/** Lists the origins of this Worker's own pages. */
export function ownOriginsOf(config: Config, request: Request): string[] {
  return [new URL(request.url).origin, ...(config.public_url === undefined ? [] : [config.public_url])];
}

export function originNotAllowed(): Problem {
  return new Problem(
    "origin_not_allowed",
    "Pages from this origin may not use this Worker. Its owner must add the origin to `origins` in src/config.ts. (Under ENVIRONMENT=local, a page from localhost needs this only if it sends a credential.)",
  );
}

/** Whether this is a preflight, which a browser sends before the request itself, without credentials. */
export function isPreflight(request: Request): boolean {
  return (
    request.method === "OPTIONS" &&
    request.headers.has("origin") &&
    request.headers.has("access-control-request-method")
  );
}

export function isAllowedOrigin(request: Request, origin: string, { config, local }: CorsRules): boolean {
  if (config.origins.includes(origin) || ownOriginsOf(config, request).includes(origin)) return true;
  return local && !request.headers.has("authorization") && isLocalOrigin(origin);
}

/** Returns the headers for every response, errors included. They depend on the request's Origin, so `vary` names that header for caches. */
export function corsHeaders(request: Request, rules: CorsRules): Record<string, string> {
  const origin = request.headers.get("origin");
  if (origin === null || !isAllowedOrigin(request, origin, rules)) return { vary: "Origin" };
  return { vary: "Origin", "access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED };
}

/** Returns the headers of a successful preflight, which allows all requested headers: SDKs send a dozen of their own. */
export function preflightHeaders(request: Request): Record<string, string> {
  const names = (request.headers.get("access-control-request-headers") ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter((name) => /^[\w!#$%&'*+.^`|~-]{1,100}$/.test(name));
  return {
    "access-control-allow-methods": METHODS,
    "access-control-max-age": MAX_AGE,
    ...(names.length === 0 ? {} : { "access-control-allow-headers": names.join(", ") }),
  };
}
