// Signed ids, which callers get instead of upstream's ids: `resp_` + base64url(version, kind, turn, minute, nonce, MAC, value). The MAC
// covers the owner and all other parts, so the owner of an id is verified without a lookup. The value is authenticated, but not secret.
import { base64url, fromBase64url, utf8Of } from "../lib/bytes.ts";
import { timingSafeEqual } from "../lib/hmac.ts";
import type { IdKeys } from "./owner.ts";

/** The prefix of every signed id; only ids with it are verified. "ue1_" is the three version bytes in base64url. */
export const ID_PREFIX = "resp_ue1_";
const VERSION = [0xb9, 0xed, 0x7f];
/** Bits of the kind byte. */
const OWN = 1;
const NOT_STORED = 2;
const MAC_BYTES = 16;
/** Version, kind, turn, minute, nonce. */
const HEAD_BYTES = 3 + 1 + 2 + 4 + 4;
const MAX_ID_CHARS = 256;
/** The longest value in bytes: that of an id with 256 characters. */
export const MAX_VALUE_BYTES = Math.floor(((MAX_ID_CHARS - "resp_".length) * 3) / 4) - HEAD_BYTES - MAC_BYTES;
export const MAX_TURN = 0xffff;

/** The content of a signed id. */
export interface ResponseId {
  /** If it is "upstream", `value` is upstream's own id. If it is "own", `value` is random, and the turn in KV contains upstream's id. */
  kind: "upstream" | "own";
  /** Whether the turn was stored in KV. */
  isStored: boolean;
  /** The turn's number in its conversation, from 1. It never exceeds 65,535. */
  turn: number;
  /** When the id was created, in minutes since 1970. */
  minute: number;
  /** A random 32-bit number. Without it, two answers with the same upstream id would have the same signed id if made within a minute. */
  nonce: number;
  value: string;
}

/** Signs an id for an owner. @throws Error if the owner is empty or the value is too long, which are bugs in the calling code */
export async function signId(keys: IdKeys, owner: string, id: ResponseId): Promise<string> {
  const key = keys.mac[0];
  const value = utf8Of(id.value);
  if (key === undefined || owner === "" || value.length > MAX_VALUE_BYTES) throw new Error("this id can't be signed");
  const bytes = new Uint8Array(HEAD_BYTES + MAC_BYTES + value.length);
  bytes.set(VERSION);
  const view = new DataView(bytes.buffer);
  view.setUint8(3, (id.kind === "upstream" ? 0 : OWN) | (id.isStored ? 0 : NOT_STORED));
  view.setUint16(4, Math.min(id.turn, MAX_TURN));
  view.setUint32(6, id.minute);
  view.setUint32(10, id.nonce);
  bytes.set(value, HEAD_BYTES + MAC_BYTES);
  bytes.set(await macOf(key, owner, bytes), HEAD_BYTES);
  return `resp_${base64url(bytes)}`;
}

/** Verifies an id. @returns its content; null if it was not issued to this owner: it is forged, changed, cut off, or another owner's */
export async function readId(keys: IdKeys, owner: string, id: string): Promise<ResponseId | null> {
  if (owner === "" || id.length > MAX_ID_CHARS || !id.startsWith(ID_PREFIX)) return null;
  const text = id.slice("resp_".length);
  const bytes = fromBase64url(text);
  // Base64 can encode the same bytes in several ways. Only the canonical encoding is accepted, so that no two strings are the same id.
  if (bytes === null || bytes.length < HEAD_BYTES + MAC_BYTES || base64url(bytes) !== text) return null;
  const view = new DataView(bytes.buffer);
  const kind = view.getUint8(3);
  if (kind > (OWN | NOT_STORED)) return null;
  let isGenuine = false;
  for (const key of keys.mac) {
    if (timingSafeEqual(await macOf(key, owner, bytes), bytes.subarray(HEAD_BYTES, HEAD_BYTES + MAC_BYTES))) {
      isGenuine = true;
      break;
    }
  }
  if (!isGenuine) return null;
  return {
    kind: (kind & OWN) === 0 ? "upstream" : "own",
    isStored: (kind & NOT_STORED) === 0,
    turn: view.getUint16(4),
    minute: view.getUint32(6),
    nonce: view.getUint32(10),
    value: new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }).decode(bytes.subarray(HEAD_BYTES + MAC_BYTES)),
  };
}

/** Whether an id has the prefix of a signed id. Such an id is verified or refused, and never sent upstream. */
export function isSignedId(id: string): boolean {
  return id.startsWith(ID_PREFIX);
}

/** Whether an upstream id can be the value of a signed id. */
export function fitsInId(value: unknown): value is string {
  if (typeof value !== "string" || value === "" || value.length > MAX_VALUE_BYTES || !value.isWellFormed())
    return false;
  return utf8Of(value).length <= MAX_VALUE_BYTES;
}

async function macOf(key: CryptoKey, owner: string, id: Uint8Array): Promise<Uint8Array> {
  const name = utf8Of(`id\0${owner}\0`);
  const message = new Uint8Array(name.length + id.length - MAC_BYTES);
  message.set(name);
  message.set(id.subarray(0, HEAD_BYTES), name.length);
  message.set(id.subarray(HEAD_BYTES + MAC_BYTES), name.length + HEAD_BYTES);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, message)).subarray(0, MAC_BYTES);
}
