// Owners, and the keys that they derive from (ID_KEYS). An owner is an HMAC of the caller's name, so that no name appears in a KV key.
import { base64url, utf8Of } from "../lib/bytes.ts";

/** ID_KEYS, imported. */
export interface IdKeys {
  /** The keys of the MAC in signed ids. The first one signs; all of them verify. */
  mac: readonly CryptoKey[];
  /** Owners and cache keys derive from the last key, so that a new key at the front does not change them. */
  derive: CryptoKey;
}

/** @param secrets raw keys in the order of ID_KEYS, at least one */
export async function importIdKeys(secrets: readonly Uint8Array<ArrayBuffer>[]): Promise<IdKeys> {
  const mac = await Promise.all(
    secrets.map((secret) => crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"])),
  );
  const derive = mac.at(-1);
  if (derive === undefined) throw new Error("no id key");
  return { mac, derive };
}

/** The pseudonymous id of a caller, 22 characters. @param name `kind:name`, so that no two kinds share an owner */
export async function ownerOf(keys: IdKeys, name: string): Promise<string> {
  return base64url((await hmac(keys.derive, `owner\0${name}`)).subarray(0, 16));
}

/** HMAC-SHA256 of a text under the deriving key, base64url. @param purpose digests of one text for two purposes differ */
export async function deriveDigest(keys: IdKeys, purpose: string, text: string): Promise<string> {
  return base64url(await hmac(keys.derive, `${purpose}\0${text}`));
}

async function hmac(key: CryptoKey, text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, utf8Of(text)));
}
