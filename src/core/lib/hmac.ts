// HMAC-SHA256 with a shared secret, for the signatures of incoming webhooks and outgoing callbacks, and the comparison of MACs.
import { concatBytes } from "./bytes.ts";

const encoder = new TextEncoder();

/** Signs a message. @param parts the parts of the message, which are concatenated without a separator */
export async function hmacSha256(
  key: string | Uint8Array<ArrayBuffer>,
  ...parts: (string | Uint8Array)[]
): Promise<Uint8Array> {
  const message = concatBytes(parts.map((part) => (typeof part === "string" ? encoder.encode(part) : part)));
  const secret = typeof key === "string" ? encoder.encode(key) : key;
  const imported = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, message));
}

/** Compares two MACs. The time depends only on the length of the first one. */
export function timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i += 1) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}
