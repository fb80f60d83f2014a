// Verifies a token's signature with jose. core/callers/claims.ts checks its times and claims.
import type { CompactVerifyGetKey } from "jose";
import type { Refusal, Token } from "../core/callers/credential.ts";
import type { JsonObject } from "../core/lib/json.ts";

const REASONS: Record<string, Refusal["refused"]> = {
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: "bad_signature",
  ERR_JOSE_ALG_NOT_ALLOWED: "wrong_algorithm",
  ERR_JWKS_NO_MATCHING_KEY: "unknown_kid",
  ERR_JWKS_MULTIPLE_MATCHING_KEYS: "unknown_kid",
};

/**
 * Verifies a token's signature and returns its claims.
 * @param key bytes of a shared secret, or an issuer's key set
 * @param algorithms the accepted algorithms. All must be for this kind of key, or else a public key could be used as a shared secret
 */
export async function verifyClaims(
  token: Token,
  key: Uint8Array | { jwks: { keys: JsonObject[] } },
  algorithms: readonly string[],
): Promise<{ claims: JsonObject } | Refusal> {
  if (!algorithms.includes(token.alg)) return { refused: "wrong_algorithm" };
  try {
    // jose is loaded when the first token arrives, because most Workers never see one. jose/jwt would only add checks of claims.
    const { compactVerify } = await import("jose/jws/compact/verify");
    const options = { algorithms: [...algorithms] };
    await (key instanceof Uint8Array
      ? compactVerify(token.text, key, options)
      : compactVerify(token.text, await createKeySet(key.jwks), options));
    return { claims: token.unverified };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return { refused: REASONS[code] ?? "malformed_token" };
  }
}

/**
 * Creates a new key set for each token. jose stores the promise of a key's import in the set, and in Workers no request may await another
 * request's promise.
 */
async function createKeySet(jwks: { keys: JsonObject[] }): Promise<CompactVerifyGetKey> {
  const { createLocalJWKSet } = await import("jose/jwks/local");
  return createLocalJWKSet(jwks);
}
