// Who is asking: the list of ways to be a caller, each of which is a file in gate/. Fails closed: no credential that fits, no answer.
import { Problem } from "../core/problem.ts";
import type { Caller, Deps } from "../deps.ts";
import { isLocalOrigin } from "../core/loopback.ts";
import { originRefused, ownOrigins } from "./cors.ts";
import { type Refusal, serverKey } from "./server-key.ts";

/** @throws Problem 401, 403, 503 */
export async function identify(deps: Deps, request: Request): Promise<Caller> {
  assertCallers(deps);
  const authorization = request.headers.get("authorization");
  const origin = request.headers.get("origin");
  if (authorization === null) return withoutCredential(deps, origin);
  const credential = /^bearer +(\S+)\s*$/i.exec(authorization)?.[1];
  if (credential === undefined) throw refused(deps, { refused: "not_bearer" });
  const caller = await serverKey(credential, origin, ownOrigins(deps.config, request), deps.serverKeys);
  if ("refused" in caller) throw refused(deps, caller);
  return caller;
}

/** @throws Problem misconfigured where nobody at all could be let in */
export function assertCallers(deps: Deps): void {
  if (deps.local || deps.serverKeys.size > 0) return;
  throw new Problem("misconfigured", "This Worker has no callers yet: its owner must set SERVER_KEYS (npm run setup makes one).", {
    reason: "no callers configured",
  });
}

function withoutCredential(deps: Deps, origin: string | null): Caller {
  if (deps.local) {
    if (isLocalOrigin(origin)) return deps.anonymous;
    throw originRefused();
  }
  throw refused(deps, undefined);
}

/** One public text for every 401, so that it does not tell which keys exist. */
function refused(deps: Deps, refusal: Refusal | undefined): Problem {
  const reason = refusal?.refused ?? "no_credential";
  const detail = deps.local ? ` (${reason}; this detail is shown under ENVIRONMENT=local only)` : "";
  return new Problem(
    "invalid_credentials",
    `Send this Worker's own key as "Authorization: Bearer …" (sk_, pk_ or a session token), not your UniAPI key.${detail}`,
    { reason },
  );
}
