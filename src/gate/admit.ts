// The gate that every request for something of somebody's passes, in this order: the shield by address, who it is, the shield by
// owner, the budgets' requests. Nothing of the body is read before.
import { Problem } from "../core/problem.ts";
import type { Caller, Deps, RequestContext } from "../deps.ts";
import { addressOf } from "./address.ts";
import { identify } from "./identify.ts";

/** @throws Problem 401, 403, 429, 503 */
export async function admit(deps: Deps, request: Request, { facts, later }: Pick<RequestContext, "facts" | "later">): Promise<Caller> {
  const address = addressOf(request);
  if (address !== null) await pass(deps, `address:${address}`);
  const caller = await identify(deps, request);
  facts.caller = caller.kind;
  await pass(deps, `owner:${caller.owner}`);
  await deps.budgets.admit(caller.budgets);
  deps.budgets.count(caller.budgets, { requests: 1 }, later);
  return caller;
}

async function pass(deps: Deps, key: string): Promise<void> {
  if (await deps.shield(key)) return;
  throw new Problem("rate_limited", "Too many requests in the last minute. Wait a little, then send fewer at a time.", {
    retryAfter: 60,
    reason: key.startsWith("address:") ? "shield by address" : "shield by owner",
  });
}
