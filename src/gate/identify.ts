// Who is asking: the list of ways to be a caller, each of which is a file in gate/. Fails closed: no credential that fits, no answer.
import { looksLikeToken, readToken, type Refusal } from "../core/callers/credential.ts";
import { isLocalOrigin } from "../core/lib/loopback.ts";
import { Problem } from "../core/lib/problem.ts";
import type { Caller, Deps, RequestContext } from "../deps.ts";
import { addressOf } from "./address.ts";
import { originRefused, ownOrigins } from "./cors.ts";
import { identityToken } from "./jwt.ts";
import { publishableKey } from "./publishable-key.ts";
import { serverKey } from "./server-key.ts";
import { session, SESSION_ALGORITHM } from "./session.ts";

/** @throws Problem 401, 403, 503 */
export async function identify(deps: Deps, request: Request, waitUntil: RequestContext["waitUntil"]): Promise<Caller> {
  assertCallers(deps);
  const authorization = request.headers.get("authorization");
  const origin = request.headers.get("origin");
  if (authorization === null) return withoutCredential(deps, origin);
  const credential = /^bearer +(\S+)\s*$/i.exec(authorization)?.[1];
  const own = origin === null ? [] : ownOrigins(deps.config, request);
  // A server key has a rule of its own; any other page is refused before its credential is looked at.
  if (
    credential?.startsWith("sk_") !== true &&
    origin !== null &&
    !own.includes(origin) &&
    !deps.config.origins.includes(origin)
  ) {
    throw originRefused();
  }
  if (credential === undefined) throw invalidCredentials(deps, { refused: "not_bearer" });
  const caller = await callerOf(deps, request, credential, { origin, own, waitUntil });
  if ("refused" in caller) throw invalidCredentials(deps, caller);
  return caller;
}

/** Told apart by shape: no credential is tried as two kinds. */
async function callerOf(
  deps: Deps,
  request: Request,
  credential: string,
  { origin, own, waitUntil }: { origin: string | null; own: readonly string[]; waitUntil: RequestContext["waitUntil"] },
): Promise<Caller | Refusal> {
  if (credential.startsWith("sk_")) return serverKey(credential, origin, own, deps.serverKeys);
  if (credential.startsWith("pk_"))
    return publishableKey(credential, addressOf(request), deps.publishableKeys, deps.idKeys);
  if (!looksLikeToken(credential)) return { refused: "unknown_key" };
  const token = readToken(credential);
  if ("refused" in token) return token;
  return token.alg === SESSION_ALGORITHM ? session(deps, token, origin) : identityToken(deps, token, waitUntil);
}

/** @throws Problem misconfigured where nobody at all could be let in */
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

function withoutCredential(deps: Deps, origin: string | null): Caller {
  if (deps.local) {
    if (isLocalOrigin(origin)) return deps.anonymous;
    throw originRefused();
  }
  throw invalidCredentials(deps, { refused: "no_credential" });
}

/** One public text for every 401, so that it does not tell which keys exist. */
export function invalidCredentials(deps: Pick<Deps, "local">, { refused: reason }: Refusal): Problem {
  const detail = deps.local ? ` (${reason}; this detail is shown under ENVIRONMENT=local only)` : "";
  return new Problem(
    "invalid_credentials",
    `Send this Worker's own key as "Authorization: Bearer …" (sk_, pk_ or a session token), not your UniAPI key.${detail}`,
    { reason },
  );
}
