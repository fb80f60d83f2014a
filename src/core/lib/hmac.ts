// HMAC-SHA256 with a shared secret: webhook signatures, both incoming and outgoing.
import { concatBytes } from "./bytes.ts";

const encoder = new TextEncoder();

/** @param parts the message, in parts that are signed one after the other without a separator */
export async function hmacSha256(
  key: string | Uint8Array<ArrayBuffer>,
  ...parts: (string | Uint8Array)[]
): Promise<Uint8Array> {
  const message = concatBytes(parts.map((part) => (typeof part === "string" ? encoder.encode(part) : part)));
  const secret = typeof key === "string" ? encoder.encode(key) : key;
  const imported = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, message));
}
