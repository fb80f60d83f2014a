// Verifies tokens with Cloudflare Turnstile's siteverify. Verification fails closed: no reply, or one that neither accepts nor rejects the
// token, leads to a 503.
import type { FetchJson } from "../core/lib/json.ts";
import { Problem } from "../core/lib/problem.ts";
import { misconfigured } from "../core/config/setting.ts";

/** The page on which the widget was solved; null if the token is wrong, has expired or was already used. */
export type TurnstileResult = { hostname: unknown; action: unknown } | null;

/** Verifies a token. @param address the visitor's IP address; null if unknown. @throws Problem unavailable, misconfigured */
export type Siteverify = (url: string, token: string, address: string | null) => Promise<TurnstileResult>;

export function createSiteverify(secret: string, fetchJson: FetchJson, local: boolean): Siteverify {
  return async function verify(url, token, address) {
    if (!local && !url.startsWith("https:")) {
      throw misconfigured(
        "callers.turnstile (src/config.ts)",
        "has a verify_url that is not https, which works under ENVIRONMENT=local only",
      );
    }
    const body = new URLSearchParams({ secret, response: token, ...(address === null ? {} : { remoteip: address }) });
    const result = await fetchJson(url, { method: "POST", body });
    const errors = result?.["error-codes"];
    if (
      Array.isArray(errors) &&
      errors.some((code) => code === "invalid-input-secret" || code === "missing-input-secret")
    ) {
      throw misconfigured(
        "TURNSTILE_SECRET",
        "was rejected by Turnstile: use the widget's secret key from Cloudflare's dashboard",
      );
    }
    if (result?.["success"] === true) return { hostname: result["hostname"], action: result["action"] };
    if (result?.["success"] === false && !(Array.isArray(errors) && errors.includes("internal-error"))) return null;
    throw new Problem("unavailable", "Turnstile can't be reached at the moment. Try again in a moment.", {
      retryAfter: 5,
      reason: "no siteverify",
    });
  };
}
