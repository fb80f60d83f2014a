// A token's signature, checked by jose. Its times and claims are core/claims.ts's.
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
 * @param key bytes of a shared secret, or an issuer's key set
 * @param algorithms those that this kind of key has, and no others: else a public key would pass for a secret
 */
export async function provenClaims(
  token: Token,
  key: Uint8Array | { jwks: { keys: JsonObject[] } },
  algorithms: readonly string[],
): Promise<{ claims: JsonObject } | Refusal> {
  if (!algorithms.includes(token.alg)) return { refused: "wrong_algorithm" };
  try {
    // Loaded when the first token comes: most Workers never see one. Of jose/jwt only the checks of claims would be new.
    const { compactVerify } = await import("jose/jws/compact/verify");
    const options = { algorithms: [...algorithms] };
    await (key instanceof Uint8Array
      ? compactVerify(token.text, key, options)
      : compactVerify(token.text, await keyIn(key.jwks), options));
    return { claims: token.unverified };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return { refused: REASONS[code] ?? "malformed_token" };
  }
}

/** Made anew each time: jose keeps the promise of a key's import, and here no request may wait for another one's. */
async function keyIn(jwks: { keys: JsonObject[] }): Promise<CompactVerifyGetKey> {
  const { createLocalJWKSet } = await import("jose/jwks/local");
  return createLocalJWKSet(jwks);
}
