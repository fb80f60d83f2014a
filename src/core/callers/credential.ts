// Credentials before anybody believes them: which kind one claims to be, told by its shape alone, and what a refusal may say.
import { base64url, fromBase64url, utf8Of } from "../lib/encoding.ts";
import { decodeUtf8, isRecord, type JsonObject, parseJson } from "../lib/json.ts";

/** Longer than any token that fits its purpose. */
const MAX_CHARS = 16_384;

/** Why a credential is refused: for the log, and under `local` for the message. */
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

/** A JSON Web Token whose signature nobody has checked. */
export interface Token {
  text: string;
  alg: string;
  kid: string | undefined;
  /** Its claims. Until the signature is checked they choose who could have signed it, and nothing else. */
  unverified: JsonObject;
}

/**
 * Whose key it is. It is compared with every known one, each to its end: how long that takes tells how many keys there are and how long they
 * are, and nothing of what stands in them. (A look-up by digest says as little; it costs some 20 µs more of the 400 that a request takes in the bench.)
 */
export function findKey<T>(credential: string, known: ReadonlyMap<string, T>): T | undefined {
  let found: T | undefined;
  for (const [key, holder] of known) {
    let difference = key.length ^ credential.length;
    for (let at = 0; at < key.length; at += 1) difference |= key.charCodeAt(at) ^ credential.charCodeAt(at);
    if (difference === 0) found = holder;
  }
  return found;
}

/** What stands for a secret where the secret itself must not. */
export async function keyDigest(key: string): Promise<string> {
  return base64url(new Uint8Array(await crypto.subtle.digest("SHA-256", utf8Of(key))));
}

/** Three parts with dots between them: nothing else that we take has a dot at all. */
export function looksLikeToken(credential: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]*$/.test(credential);
}

/** Header fields that name or hold keys (jku, jwk, x5u, x5c) are not even read; `crit` asks for what is not known here. */
export function readToken(text: string): Token | Refusal {
  const [head = "", payload = ""] = text.length > MAX_CHARS || !looksLikeToken(text) ? [] : text.split(".");
  const header = jsonPart(head);
  const unproven = jsonPart(payload);
  if (header === null || unproven === null || Object.hasOwn(header, "crit")) return { refused: "malformed_token" };
  const { alg, kid } = header;
  if (typeof alg !== "string" || (kid !== undefined && typeof kid !== "string")) return { refused: "malformed_token" };
  return { text, alg, kid, unverified: unproven };
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
