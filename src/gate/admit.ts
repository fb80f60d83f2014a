// The gate that every request for something of somebody's passes, in this order: the shield by address, who it is, the shield by
// owner, the budgets' requests. Nothing of the body is read before.
import { Problem } from "../core/lib/problem.ts";
import type { Caller, Deps, RequestContext } from "../deps.ts";
import { addressOf } from "./address.ts";
import { identify } from "./identify.ts";

/** @throws Problem 401, 403, 429, 503 */
export async function admit(
  deps: Deps,
  request: Request,
  { logFields, waitUntil }: Pick<RequestContext, "logFields" | "waitUntil">,
): Promise<Caller> {
  const address = addressOf(request);
  if (address !== null) await assertWithinRateLimit(deps, `address:${address}`);
  const caller = await identify(deps, request, waitUntil);
  logFields.caller = caller.kind;
  await assertWithinRateLimit(deps, rateLimitKey(caller));
  await deps.budgets.admit(caller.budgets);
  deps.budgets.count(caller.budgets, { requests: 1 }, waitUntil);
  return caller;
}

/** All visitors of a publishable key are one owner: one of them must not use up what all have. */
function rateLimitKey({ kind, owner, budgets: [narrowest] }: Caller): string {
  return kind === "publishable" && narrowest !== undefined ? narrowest.name : `owner:${owner}`;
}

/** @throws Problem rate_limited */
export async function assertWithinRateLimit(deps: Deps, key: string): Promise<void> {
  if (await deps.isWithinRateLimit(key)) return;
  throw new Problem("rate_limited", "Too many requests in the last minute. Wait a little, then send fewer at a time.", {
    retryAfter: 60,
    reason: key.startsWith("address:") ? "shield by address" : "shield by owner",
  });
}

/** For what is read or deleted by id: all visitors of a publishable key are one owner, so none of them may. @throws Problem */
export async function admitReader(
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
