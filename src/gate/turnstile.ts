// Turnstile: a visitor without a login, shown to be a person on the page that the config names. Exchanged once for a short session
// of a random user, which keeps that user when the page renews it.
import { readToken, type Refusal } from "../core/callers/credential.ts";
import type { Turnstile } from "../core/config/config-schema.ts";
import { misconfigured } from "../core/config/setting.ts";
import type { Deps } from "../deps.ts";
import { renewableSub } from "./session.ts";
import type { TurnstileExchange } from "../contract/session.ts";

/** @param address of the visitor, whole. @throws Problem 503 */
export async function turnstileSub(
  deps: Deps,
  { turnstile: solution, renew }: TurnstileExchange,
  settings: Turnstile,
  page: { origin: string; address: string | null },
): Promise<{ sub: string } | Refusal> {
  if (deps.siteverify === undefined)
    throw misconfigured("TURNSTILE_SECRET", "is missing: sessions for callers.turnstile need it");
  let sub: string | undefined;
  if (renew !== undefined) {
    // First: a solution is good for one question only.
    const token = readToken(renew);
    const renewed = "refused" in token ? token : await renewableSub(deps, token, page.origin);
    if ("refused" in renewed) return renewed;
    ({ sub } = renewed);
  }
  const solved = await deps.siteverify(settings.verify_url, solution, page.address);
  if (solved === null) return { refused: "turnstile_refused" };
  if (solved.hostname !== settings.hostname) return { refused: "turnstile_hostname" };
  if (settings.action !== undefined && solved.action !== settings.action) return { refused: "turnstile_action" };
  return { sub: sub ?? `visitor-${deps.random(16)}` };
}
