// Admission of every request that has a caller. It checks the rate limit by IP address, authenticates the caller, then checks the rate
// limit by owner and the request limits of the caller's budgets. The body is read only after all of these.
import { Problem } from "../core/lib/problem.ts";
import type { Caller, Deps, RequestContext } from "../deps.ts";
import { addressOf, authenticate } from "./authenticate.ts";

/**
 * Admits a request and counts it.
 * @returns the caller
 * @throws Problem 401 invalid_credentials, 403 origin_not_allowed, 429 rate_limited or budget_exceeded, 503 misconfigured or unavailable
 */
export async function admit(
  deps: Deps,
  request: Request,
  { logFields, waitUntil }: Pick<RequestContext, "logFields" | "waitUntil">,
): Promise<Caller> {
  const address = addressOf(request);
  if (address !== null) await assertWithinRateLimit(deps, `address:${address}`);
  const caller = await authenticate(deps, request, waitUntil);
  logFields.caller = caller.kind;
  await assertWithinRateLimit(deps, rateLimitKey(caller));
  await deps.budgets.admit(caller.budgets);
  deps.budgets.count(caller.budgets, { requests: 1 }, waitUntil);
  return caller;
}

/**
 * Returns the key under which the rate limit counts the caller: the owner's, or the visitor's for a publishable key. All visitors of such a
 * key are one owner, and a single visitor must not exhaust the limit of all. A caller's budgets are sorted, narrowest first: for a
 * publishable key, that is the visitor's.
 */
function rateLimitKey({ kind, owner, budgets: [narrowest] }: Caller): string {
  return kind === "publishable" && narrowest !== undefined ? narrowest.name : `owner:${owner}`;
}

/** @throws Problem 429 rate_limited */
export async function assertWithinRateLimit(deps: Deps, key: string): Promise<void> {
  if (await deps.isWithinRateLimit(key)) return;
  throw new Problem(
    "rate_limited",
    "Too many requests in the last minute. Wait for the time in Retry-After, then send fewer.",
    {
      retryAfter: 60,
      reason: key.startsWith("address:") ? "rate limit by address" : "rate limit by owner",
    },
  );
}

/**
 * Admits a request that reads or deletes by id. Visitors of a publishable key may do neither: they are all one owner, so they would see
 * each other's turns.
 * @throws Problem 403 insufficient_scope, and the problems of admit()
 */
export async function admitById(
  deps: Deps,
  request: Request,
  context: Pick<RequestContext, "logFields" | "waitUntil">,
): Promise<Caller> {
  const caller = await admit(deps, request, context);
  if (caller.kind !== "publishable") return caller;
  throw new Problem(
    "insufficient_scope",
    "A publishable key can't read or delete by id. Use a session token or a server key.",
  );
}
