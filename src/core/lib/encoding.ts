// Bytes as text: base64url without padding (RFC 4648, section 5) and hex. Written out for the few dozen bytes of ids, digests and
// signatures that every request has: btoa takes a string of bytes first, and wants its result translated.

const encoder = new TextEncoder();
const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/** What each character stands for; -1: it is none of the alphabet. */
const VALUES = Int8Array.from({ length: 128 }, (_, code) => BASE64URL.indexOf(String.fromCharCode(code)));
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** For texts of a few dozen characters: those of ASCII alone, as ids and owners are, cost less than the encoder takes to begin. */
export function utf8Of(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit >= 0x80) return new Uint8Array(encoder.encode(text));
    bytes[at] = unit;
  }
  return bytes;
}

export function base64url(bytes: Uint8Array): string {
  const { length } = bytes;
  let text = "";
  for (let at = 0; at < length; at += 3) {
    const three = ((bytes[at] ?? 0) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    text += BASE64URL.charAt(three >> 18) + BASE64URL.charAt((three >> 12) & 63);
    if (at + 1 < length) text += BASE64URL.charAt((three >> 6) & 63);
    if (at + 2 < length) text += BASE64URL.charAt(three & 63);
  }
  return text;
}

/** @returns null for what is no base64url */
export function fromBase64url(text: string): Uint8Array<ArrayBuffer> | null {
  // One character alone is less than a byte.
  if (text.length % 4 === 1) return null;
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let bits = 0;
  let size = 0;
  for (let at = 0; at < text.length; at += 1) {
    const value = VALUES[text.charCodeAt(at)] ?? -1;
    if (value === -1) return null;
    bits = (bits << 6) | value;
    if (at % 4 === 0) continue;
    bytes[size++] = bits >> (6 - 2 * (at % 4));
    bits &= (1 << (6 - 2 * (at % 4))) - 1;
  }
  return bytes;
}

/** Lower case. */
export function hexOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}
