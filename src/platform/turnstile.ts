// Cloudflare Turnstile's siteverify. Fails closed: whatever is no clear yes or no is 503, never a yes.
import type { JsonFrom } from "../core/lib/json.ts";
import { Problem } from "../core/lib/problem.ts";
import { misconfigured } from "../core/config/setting.ts";

/** What a solved widget says of itself; null where it is not solved, too old or used before. */
export type TurnstileResult = { hostname: unknown; action: unknown } | null;

/** @param address of the visitor, where it is known. @throws Problem unavailable, misconfigured */
export type Siteverify = (url: string, token: string, address: string | null) => Promise<TurnstileResult>;

export function siteverify(secret: string, jsonFrom: JsonFrom, local: boolean): Siteverify {
  return async function verify(url, token, address) {
    if (!local && !url.startsWith("https:")) {
      throw misconfigured(
        "callers.turnstile (src/config.ts)",
        "has a verify_url that is not https, which works under ENVIRONMENT=local only",
      );
    }
    const body = new URLSearchParams({ secret, response: token, ...(address === null ? {} : { remoteip: address }) });
    const said = await jsonFrom(url, { method: "POST", body });
    const errors = said?.["error-codes"];
    if (
      Array.isArray(errors) &&
      errors.some((code) => code === "invalid-input-secret" || code === "missing-input-secret")
    ) {
      throw misconfigured(
        "TURNSTILE_SECRET",
        "is refused by Turnstile: take the secret key of the widget from Cloudflare's dashboard",
      );
    }
    if (said?.["success"] === true) return { hostname: said["hostname"], action: said["action"] };
    if (said?.["success"] === false && !(Array.isArray(errors) && errors.includes("internal-error"))) return null;
    throw new Problem("unavailable", "Turnstile can't be asked at the moment. Try again in a moment.", {
      retryAfter: 5,
      reason: "no siteverify",
    });
  };
}
