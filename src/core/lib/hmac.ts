// HMAC-SHA256 with a shared secret, and standard base64: what webhook signatures are made of, in both directions.

const encoder = new TextEncoder();

export async function hmacSha256(
  key: string | Uint8Array<ArrayBuffer>,
  ...parts: (string | Uint8Array)[]
): Promise<Uint8Array> {
  const pieces = parts.map((part) => (typeof part === "string" ? encoder.encode(part) : part));
  const message = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    message.set(piece, offset);
    offset += piece.length;
  }
  const secret = typeof key === "string" ? encoder.encode(key) : key;
  const imported = await crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, message));
}

export function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
