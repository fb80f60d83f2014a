// CORS (Fetch standard): which pages may read our answers. Exact origins, no credentials; under `local` also pages that are served
// from this machine, as long as they send no credential. Says nothing of who the caller is: identify.ts does.
import type { Config } from "../core/config/define-config.ts";
import { isLocalOrigin } from "../core/lib/loopback.ts";
import { Problem } from "../core/lib/problem.ts";

/** Headers of ours that a page may read. */
const EXPOSED =
  "age, cache-status, retry-after, x-continuity, x-request-id, x-response-id, x-response-status, x-should-retry";
const METHODS = "GET, POST, DELETE";
/** Browsers cap it themselves. Seconds. */
const MAX_AGE = "600";

export interface CorsRules {
  config: Config;
  /** `ENVIRONMENT=local`. */
  local: boolean;
}

/** Where this Worker's own pages come from. */
export function ownOrigins(config: Config, request: Request): string[] {
  return [new URL(request.url).origin, ...(config.public_url === undefined ? [] : [config.public_url])];
}

export function originRefused(): Problem {
  return new Problem(
    "origin_not_allowed",
    "A page from this origin may not use this Worker. Its owner must add the origin to `origins` in src/config.ts. (Under ENVIRONMENT=local a page of localhost needs that only where it sends a credential.)",
  );
}

/** A preflight asks on a request's behalf; it never carries a credential itself. */
export function isPreflight(request: Request): boolean {
  return (
    request.method === "OPTIONS" &&
    request.headers.has("origin") &&
    request.headers.has("access-control-request-method")
  );
}

export function isAllowedOrigin(request: Request, origin: string, { config, local }: CorsRules): boolean {
  if (config.origins.includes(origin) || ownOrigins(config, request).includes(origin)) return true;
  return local && !request.headers.has("authorization") && isLocalOrigin(origin);
}

/** Headers for every answer, errors included: they depend on the Origin, so caches must know. */
export function corsHeaders(request: Request, rules: CorsRules): Record<string, string> {
  const origin = request.headers.get("origin");
  if (origin === null || !isAllowedOrigin(request, origin, rules)) return { vary: "Origin" };
  return { vary: "Origin", "access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED };
}

/** The answer to a preflight from an allowed origin: it gets the headers it asks for, since SDKs send a dozen of their own. */
export function preflightHeaders(request: Request): Record<string, string> {
  const asked = request.headers.get("access-control-request-headers") ?? "";
  const names = asked
    .split(",")
    .map((name) => name.trim())
    .filter((name) => /^[\w!#$%&'*+.^`|~-]{1,100}$/.test(name));
  return {
    "access-control-allow-methods": METHODS,
    "access-control-max-age": MAX_AGE,
    ...(names.length === 0 ? {} : { "access-control-allow-headers": names.join(", ") }),
  };
}
