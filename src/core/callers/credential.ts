// Handles credentials before they are verified: recognizes their kind by their form, finds keys, and lists the reasons for a refusal.
import { base64url, fromBase64url, utf8Of } from "../lib/bytes.ts";
import { decodeUtf8, isRecord, type JsonObject, parseJson } from "../lib/json.ts";

/** No reasonable token is longer. */
const MAX_CHARS = 16_384;

/** Why a credential is refused. The log always shows the reason, the message only under ENVIRONMENT=local. */
export interface Refusal {
  refused:
    | "no_credential"
    | "not_bearer"
    | "unknown_key"
    | "wrong_origin"
    | "malformed_token"
    | "wrong_algorithm"
    | "unknown_kid"
    | "bad_signature"
    | "expired"
    | "not_yet_valid"
    | "missing_claim"
    | "malformed_claim"
    | "not_granted"
    | "no_sessions"
    | "wrong_issuer"
    | "wrong_audience"
    | "wrong_client"
    | "turnstile_refused"
    | "turnstile_hostname"
    | "turnstile_action"
    | "not_renewable";
}

/** A JSON Web Token whose signature is not verified yet. */
export interface Token {
  text: string;
  alg: string;
  kid: string | undefined;
  /** The claims. Until the signature is verified, they may only select the key to verify it with. */
  unverified: JsonObject;
}

/**
 * Finds the holder of a key. Compares the credential with every known key to the end, so the time depends only on the number and the
 * lengths of the keys. A lookup by digest would leak as little, but takes about 20 µs of a request's 400 µs in the bench.
 */
export function findKey<T>(credential: string, known: ReadonlyMap<string, T>): T | undefined {
  let match: T | undefined;
  for (const [key, holder] of known) {
    let difference = key.length ^ credential.length;
    for (let at = 0; at < key.length; at += 1) difference |= key.charCodeAt(at) ^ credential.charCodeAt(at);
    if (difference === 0) match = holder;
  }
  return match;
}

/** Computes the SHA-256 of a secret in base64url, for places where the secret itself must not appear. */
export async function keyDigest(key: string): Promise<string> {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", utf8Of(key))));
}

/** Whether a credential has the form of a JWT: three parts, separated by dots. No other kind of credential contains a dot. */
export function looksLikeToken(credential: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]*$/.test(credential);
}

/**
 * Parses a JWT without verifying it. Ignores header fields that name or contain keys (jku, jwk, x5u, x5c). Refuses `crit`, since no
 * extension is supported (RFC 7515 §4.1.11).
 */
export function readToken(text: string): Token | Refusal {
  const [head = "", payload = ""] = text.length > MAX_CHARS || !looksLikeToken(text) ? [] : text.split(".");
  const header = jsonPart(head);
  const unverified = jsonPart(payload);
  if (header === null || unverified === null || Object.hasOwn(header, "crit")) return { refused: "malformed_token" };
  const { alg, kid } = header;
  if (typeof alg !== "string" || (kid !== undefined && typeof kid !== "string")) return { refused: "malformed_token" };
  return { text, alg, kid, unverified };
}

function jsonPart(part: string): JsonObject | null {
  const bytes = fromBase64url(part);
  try {
    const value = bytes === null ? undefined : parseJson(decodeUtf8(bytes));
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}
