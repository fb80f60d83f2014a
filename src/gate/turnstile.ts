// Turnstile: verifies that a visitor without a login is a person on the page that the config names. A solved challenge is exchanged once,
// for a short session of a random user. When the page renews the session, the user stays the same.
import { readToken, type Refusal } from "../core/callers/credential.ts";
import type { Turnstile } from "../core/config/config-schema.ts";
import { misconfigured } from "../core/config/setting.ts";
import type { Deps } from "../deps.ts";
import { verifyRenewable } from "./session.ts";
import type { TurnstileExchange } from "../contract/session.ts";

/**
 * Verifies a solved challenge.
 * @param page `origin` is the page's origin; `address` is the visitor's full IP address, or null if it is unknown
 * @returns the `sub` of the new session: the `sub` of the session that is renewed, or else a random one
 * @throws Problem 503 misconfigured or unavailable
 */
export async function verifyTurnstile(
  deps: Deps,
  { turnstile: solution, renew }: TurnstileExchange,
  settings: Turnstile,
  page: { origin: string; address: string | null },
): Promise<{ sub: string } | Refusal> {
  if (deps.siteverify === undefined)
    throw misconfigured("TURNSTILE_SECRET", "is missing: sessions for callers.turnstile need it");
  let sub: string | undefined;
  if (renew !== undefined) {
    // The old session is checked before the solution, because a solution can be verified only once.
    const token = readToken(renew);
    const renewed = "refused" in token ? token : await verifyRenewable(deps, token, page.origin);
    if ("refused" in renewed) return renewed;
    ({ sub } = renewed);
  }
  const verdict = await deps.siteverify(settings.verify_url, solution, page.address);
  if (verdict === null) return { refused: "turnstile_refused" };
  if (verdict.hostname !== settings.hostname) return { refused: "turnstile_hostname" };
  if (settings.action !== undefined && verdict.action !== settings.action) return { refused: "turnstile_action" };
  return { sub: sub ?? `visitor-${deps.random(16)}` };
}
