// Joins byte arrays, and converts bytes to strings and back. Every request converts a few dozen bytes of ids, digests and signatures. The
// loops here are faster than btoa, which needs a binary string and returns base64 that would still have to be translated to base64url.

const encoder = new TextEncoder();
const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/** The value of each ASCII character in base64url; -1 for a character outside the alphabet. */
const VALUES = Int8Array.from({ length: 128 }, (_, code) => BASE64URL.indexOf(String.fromCharCode(code)));
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** @returns a new array, also for a single part */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let size = 0;
  for (const part of parts) size += part.length;
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}

/** The UTF-8 bytes of a string. For a few dozen ASCII characters, as in ids and owners, the loop is faster than the encoder. */
export function utf8Of(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit >= 0x80) return new Uint8Array(encoder.encode(text));
    bytes[at] = unit;
  }
  return bytes;
}

/** Encodes bytes as base64url without padding (RFC 4648 §5). */
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

/** Decodes base64url. @returns null if the string is not base64url without padding */
export function fromBase64url(text: string): Uint8Array<ArrayBuffer> | null {
  // A single character at the end has fewer than eight bits.
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

/** Encodes bytes as lower-case hexadecimal. */
export function hexOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}

/** Encodes bytes as standard base64 with padding. */
export function base64(bytes: Uint8Array): string {
  let binary = "";
  // Each byte is an argument, and a call can have only some tens of thousands.
  for (let at = 0; at < bytes.length; at += 32_768) binary += String.fromCharCode(...bytes.subarray(at, at + 32_768));
  return btoa(binary);
}
