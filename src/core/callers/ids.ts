// Signed ids: what callers get in place of upstream's. `resp_` + base64url(version, kind, turn, minute, MAC, value); the MAC is
// over owner and all the rest, so whose an id is needs no look-up. Authenticated, not secret. And owners: who a caller is, as an
// HMAC of its name, so that no name stands in a KV key.

import { base64url, fromBase64url, utf8Of } from "../lib/encoding.ts";

/** base64url of the three version bytes gives "ue1_": every id of ours begins so, and only those are ever verified. */
export const ID_PREFIX = "resp_ue1_";
const VERSION = [0xb9, 0xed, 0x7f];
/** Bits of the kind byte. */
const OWN = 1;
const NOT_KEPT = 2;
const MAC_BYTES = 16;
const HEAD_BYTES = 3 + 1 + 2 + 4;
const MAX_ID_CHARS = 256;
/** What fits behind head and MAC into 256 characters. */
export const MAX_VALUE_BYTES = Math.floor(((MAX_ID_CHARS - "resp_".length) * 3) / 4) - HEAD_BYTES - MAC_BYTES;
export const MAX_TURN = 0xffff;

export interface ResponseId {
  /** "upstream": `value` is upstream's own id. "own": a random value; the turn in KV knows upstream's. */
  kind: "upstream" | "own";
  /** The turn went into memory. */
  kept: boolean;
  /** 1 for the first of a conversation; stays at 65,535. */
  turn: number;
  /** Minutes since 1970. */
  minute: number;
  value: string;
}

export interface IdKeys {
  /** The first signs, all verify. */
  mac: readonly CryptoKey[];
  /** Owners and cache keys derive from the last, so that a new key in front loses nothing. */
  derive: CryptoKey;
}

const HMAC = { name: "HMAC", hash: "SHA-256" } as const;
const encoder = new TextEncoder();

/** @param secrets raw keys, first to last as in ID_KEYS; at least one. */
export async function importIdKeys(secrets: readonly Uint8Array<ArrayBuffer>[]): Promise<IdKeys> {
  const mac = await Promise.all(secrets.map((secret) => crypto.subtle.importKey("raw", secret, HMAC, false, ["sign"])));
  const derive = mac.at(-1);
  if (derive === undefined) throw new Error("no id key");
  return { mac, derive };
}

/** @throws Error for an empty owner or a value that does not fit: both are mistakes in our own code. */
export async function signId(keys: IdKeys, owner: string, id: ResponseId): Promise<string> {
  const key = keys.mac[0];
  const value = utf8Of(id.value);
  if (key === undefined || owner === "" || value.length > MAX_VALUE_BYTES) throw new Error("this id can't be signed");
  const bytes = new Uint8Array(HEAD_BYTES + MAC_BYTES + value.length);
  bytes.set(VERSION);
  const view = new DataView(bytes.buffer);
  view.setUint8(3, (id.kind === "upstream" ? 0 : OWN) | (id.kept ? 0 : NOT_KEPT));
  view.setUint16(4, Math.min(id.turn, MAX_TURN));
  view.setUint32(6, id.minute);
  bytes.set(value, HEAD_BYTES + MAC_BYTES);
  bytes.set(await macOf(key, owner, bytes), HEAD_BYTES);
  return `resp_${base64url(bytes)}`;
}

/** The id's content, or null for whatever this owner was never given: forged, changed, cut, somebody else's. */
export async function readId(keys: IdKeys, owner: string, id: string): Promise<ResponseId | null> {
  if (owner === "" || id.length > MAX_ID_CHARS || !id.startsWith(ID_PREFIX)) return null;
  const text = id.slice("resp_".length);
  const bytes = fromBase64url(text);
  // Base64 has several spellings of the same bytes; only ours counts, so that no two strings are one id.
  if (bytes === null || bytes.length < HEAD_BYTES + MAC_BYTES || base64url(bytes) !== text) return null;
  const view = new DataView(bytes.buffer);
  const kind = view.getUint8(3);
  if (kind > (OWN | NOT_KEPT)) return null;
  let genuine = false;
  for (const key of keys.mac) {
    if (equal(await macOf(key, owner, bytes), bytes.subarray(HEAD_BYTES, HEAD_BYTES + MAC_BYTES))) {
      genuine = true;
      break;
    }
  }
  if (!genuine) return null;
  return {
    kind: (kind & OWN) === 0 ? "upstream" : "own",
    kept: (kind & NOT_KEPT) === 0,
    turn: view.getUint16(4),
    minute: view.getUint32(6),
    value: new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }).decode(bytes.subarray(HEAD_BYTES + MAC_BYTES)),
  };
}

/** Whether an id claims to be ours: it is then verified or refused, never sent upstream. */
export function isOurs(id: string): boolean {
  return id.startsWith(ID_PREFIX);
}

/** An upstream id that can stand inside one of ours. */
export function fitsInId(value: unknown): value is string {
  if (typeof value !== "string" || value === "" || value.length > MAX_VALUE_BYTES || !value.isWellFormed())
    return false;
  return utf8Of(value).length <= MAX_VALUE_BYTES;
}

/** 22 characters that stand for one caller in KV keys and MACs. `name` is `kind:name`, so that no two kinds share an owner. */
export async function ownerOf(keys: IdKeys, name: string): Promise<string> {
  return base64url((await hmac(keys.derive, `owner\0${name}`)).subarray(0, 16));
}

/** HMAC-SHA256 of a text under the deriving key, whole. */
export async function deriveDigest(keys: IdKeys, purpose: string, text: string): Promise<string> {
  return base64url(await hmac(keys.derive, `${purpose}\0${text}`));
}

async function macOf(key: CryptoKey, owner: string, id: Uint8Array): Promise<Uint8Array> {
  const name = utf8Of(`id\0${owner}\0`);
  const message = new Uint8Array(name.length + id.length - MAC_BYTES);
  message.set(name);
  message.set(id.subarray(0, HEAD_BYTES), name.length);
  message.set(id.subarray(HEAD_BYTES + MAC_BYTES), name.length + HEAD_BYTES);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, message)).subarray(0, MAC_BYTES);
}

async function hmac(key: CryptoKey, text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, encoder.encode(text)));
}

/** Without a branch that depends on where the first difference is. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i += 1) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}
