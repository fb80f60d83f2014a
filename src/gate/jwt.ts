// Tokens of an identity provider (RS256, ES256, EdDSA), verified with the keys that the provider publishes (JWKS). Issuer and audience
// select an entry of `callers.jwt` before the signature is verified. No other claim is read before that.
import { subjectOf } from "../core/callers/claims.ts";
import type { Refusal, Token } from "../core/callers/credential.ts";
import type { Caller, Deps, RequestContext } from "../deps.ts";
import { verifyClaims } from "./token.ts";
import { deriveDigest, ownerOf } from "../core/callers/owner.ts";

const ALGORITHMS = ["RS256", "ES256", "EdDSA"];

/**
 * Authenticates a caller by an identity provider's token.
 * @throws Problem 503 unavailable if the issuer's keys can't be loaded; 503 misconfigured if their URL must be https
 */
export async function authenticateJwt(
  deps: Deps,
  token: Token,
  waitUntil: RequestContext["waitUntil"],
): Promise<Caller | Refusal> {
  if (!ALGORITHMS.includes(token.alg)) return { refused: "wrong_algorithm" };
  const { iss, aud } = token.unverified;
  const issuers = deps.config.callers.jwt.filter(({ issuer }) => issuer === iss);
  if (issuers.length === 0) return { refused: "wrong_issuer" };
  const audiences: unknown[] = Array.isArray(aud) ? aud : [aud];
  const entry = issuers.find(({ audience }) => audiences.includes(audience));
  if (entry === undefined) return { refused: aud === undefined ? "missing_claim" : "wrong_audience" };
  const jwks = { keys: await deps.fetchJwks(entry.jwks_url, token.kid, waitUntil) };
  const verified = await verifyClaims(token, { jwks }, ALGORITHMS);
  if ("refused" in verified) return verified;
  const subject = subjectOf(verified.claims, deps.now());
  if ("refused" in subject) return subject;
  const { azp } = verified.claims;
  if (entry.azp !== undefined && !(typeof azp === "string" && entry.azp.includes(azp)))
    return { refused: "wrong_client" };
  const owner = await ownerOf(deps.idKeys, `jwt:${entry.issuer}\0${subject.sub}`);
  const audienceId = await deriveDigest(deps.idKeys, "jwt", `${entry.issuer}\0${entry.audience}`);
  return {
    kind: "jwt",
    owner,
    grant: { presets: entry.presets },
    budgets: [
      { name: `owner:${owner}`, whose: "user", limits: entry.per_user },
      { name: `total:jwt:${audienceId}`, whose: "total", limits: entry.total },
    ],
  };
}
