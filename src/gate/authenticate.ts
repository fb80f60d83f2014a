// Authentication: finds the caller by the request's credential. Each kind of credential has a file in gate/. A request without a valid
// credential is refused; only under ENVIRONMENT=local may a request have none. `addressOf` gives the IP address that a request comes from.
import { looksLikeToken, readToken, type Refusal } from "../core/callers/credential.ts";
import { Problem } from "../core/lib/problem.ts";
import type { Caller, Deps, RequestContext } from "../deps.ts";
import { originNotAllowed, ownOriginsOf } from "./cors.ts";
import { authenticateJwt } from "./jwt.ts";
import { authenticatePublishableKey } from "./publishable-key.ts";
import { authenticateServerKey } from "./server-key.ts";
import { authenticateSession, SESSION_ALGORITHM } from "./session.ts";
import { isLocalOrigin } from "../core/lib/url-rules.ts";

/** @throws Problem 401 invalid_credentials, 403 origin_not_allowed, 503 misconfigured or unavailable */
export async function authenticate(
  deps: Deps,
  request: Request,
  waitUntil: RequestContext["waitUntil"],
): Promise<Caller> {
  assertCallers(deps);
  const authorization = request.headers.get("authorization");
  const origin = request.headers.get("origin");
  if (authorization === null) return anonymousCaller(deps, origin);
  const credential = /^bearer +(\S+)\s*$/i.exec(authorization)?.[1];
  const ownOrigins = origin === null ? [] : ownOriginsOf(deps.config, request);
  // A page is refused before its credential is checked, unless its origin is the Worker's own or in the config. server-key.ts has a
  // stricter rule for server keys.
  if (
    credential?.startsWith("sk_") !== true &&
    origin !== null &&
    !ownOrigins.includes(origin) &&
    !deps.config.origins.includes(origin)
  ) {
    throw originNotAllowed();
  }
  if (credential === undefined) throw invalidCredentials(deps, { refused: "not_bearer" });
  const caller = await callerFrom(deps, request, credential, { origin, ownOrigins, waitUntil });
  if ("refused" in caller) throw invalidCredentials(deps, caller);
  return caller;
}

/** Authenticates a credential. Its shape alone decides its kind, so no credential is tried as two kinds. */
async function callerFrom(
  deps: Deps,
  request: Request,
  credential: string,
  {
    origin,
    ownOrigins,
    waitUntil,
  }: { origin: string | null; ownOrigins: readonly string[]; waitUntil: RequestContext["waitUntil"] },
): Promise<Caller | Refusal> {
  if (credential.startsWith("sk_")) return authenticateServerKey(credential, origin, ownOrigins, deps.serverKeys);
  if (credential.startsWith("pk_"))
    return authenticatePublishableKey(credential, addressOf(request), deps.publishableKeys, deps.idKeys);
  if (!looksLikeToken(credential)) return { refused: "unknown_key" };
  const token = readToken(credential);
  if ("refused" in token) return token;
  return token.alg === SESSION_ALGORITHM
    ? authenticateSession(deps, token, origin)
    : authenticateJwt(deps, token, waitUntil);
}

/** @throws Problem 503 misconfigured if no credential and no webhook could ever be accepted */
export function assertCallers(deps: Deps): void {
  const { callers, hooks } = deps.config;
  const { publishable, sessions, jwt } = callers;
  const sessionsWork = sessions !== undefined && deps.sessionKeys.length > 0;
  if (deps.local || deps.serverKeys.size > 0 || publishable.length > 0 || sessionsWork || jwt.length > 0) return;
  if (Object.keys(hooks).length > 0) return;
  throw new Problem(
    "misconfigured",
    "This Worker has no callers yet: its owner must set SERVER_KEYS (npm run setup makes one).",
    {
      reason: "no callers configured",
    },
  );
}

function anonymousCaller(deps: Deps, origin: string | null): Caller {
  if (deps.local) {
    if (isLocalOrigin(origin)) return deps.anonymous;
    throw originNotAllowed();
  }
  throw invalidCredentials(deps, { refused: "no_credential" });
}

/**
 * Returns the problem of every 401. The log always shows the reason. The message shows it under ENVIRONMENT=local only, so a deployed
 * Worker does not reveal which keys exist.
 */
export function invalidCredentials(deps: Pick<Deps, "local">, { refused: reason }: Refusal): Problem {
  const detail = deps.local ? ` (${reason}; this detail is shown under ENVIRONMENT=local only)` : "";
  return new Problem(
    "invalid_credentials",
    `The credential is missing or not valid. Send this Worker's own key as "Authorization: Bearer …" (sk_, pk_ or a session token), not your UniAPI key.${detail}`,
    { reason },
  );
}

/**
 * Returns the IP address that a request comes from, as Cloudflare reports it, or null if `CF-Connecting-IP` is absent. An IPv6 address is
 * reduced to its /64 network, since one visitor usually has all of that network.
 */
export function addressOf(request: Request): string | null {
  const address = request.headers.get("cf-connecting-ip")?.trim().toLowerCase();
  if (address === undefined || address === "") return null;
  return address.includes(":") ? networkOf(address) : address;
}

/**
 * Reduces an IPv6 address to its /64 network: its first four groups, with `::` expanded and without leading zeros. An IPv4-mapped address
 * becomes the IPv4 address.
 */
function networkOf(address: string): string {
  const inner = /^(?:::ffff:)((?:\d{1,3}\.){3}\d{1,3})$/.exec(address)?.[1];
  if (inner !== undefined) return inner;
  const [head = "", tail] = address.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...Array.from({ length: zeros }, () => "0"), ...after].slice(0, 4);
  return `${groups.map((group) => group.replace(/^0+(?=.)/, "")).join(":")}::/64`;
}
