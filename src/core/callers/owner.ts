// Derives owners from callers' names, with the keys in ID_KEYS. An owner is an HMAC, so that no name appears in a KV key.
import { base64url, utf8Of } from "../lib/bytes.ts";

/** The keys in ID_KEYS, imported into Web Crypto. */
export interface IdKeys {
  /** The keys for the MAC in signed ids. The first key signs; all keys verify. */
  mac: readonly CryptoKey[];
  /** The last key, from which owners and cache keys are derived. A new key is added at the front, so that it does not change them. */
  derive: CryptoKey;
}

/** Imports the keys. @param secrets raw keys in the order of ID_KEYS, at least one */
export async function importIdKeys(secrets: readonly Uint8Array<ArrayBuffer>[]): Promise<IdKeys> {
  const mac = await Promise.all(
    secrets.map((secret) => crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"])),
  );
  const derive = mac.at(-1);
  if (derive === undefined) throw new Error("no id key");
  return { mac, derive };
}

/** Derives a caller's pseudonymous id: 22 characters. @param name `kind:name`, so that callers of two kinds never share an owner */
export async function ownerOf(keys: IdKeys, name: string): Promise<string> {
  return base64url((await hmac(keys.derive, `owner\0${name}`)).subarray(0, 16));
}

/** Computes an HMAC-SHA256 with the `derive` key, in base64url. @param purpose separates digests of the same string for different uses */
export async function deriveDigest(keys: IdKeys, purpose: string, text: string): Promise<string> {
  return base64url(await hmac(keys.derive, `${purpose}\0${text}`));
}

async function hmac(key: CryptoKey, text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, utf8Of(text)));
}
