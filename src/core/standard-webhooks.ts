// Standard Webhooks v1 with a shared secret (standardwebhooks.com, "Symmetric"): what is signed, and with which bytes. The same for
// deliveries that come in and for callbacks that go out.
import { base64, hmacSha256 } from "./webhook.ts";

/** `whsec_` and base64. The specification wants 24 bytes or more, but its authors' own examples have fewer. */
export const STANDARD_SECRET = /^whsec_(?=.)(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;

/**
 * One entry of `webhook-signature`: `v1,` and base64. Null for a secret that is none.
 * @param id without a full stop, which separates it from the time
 * @param time Unix seconds, as in `webhook-timestamp`
 */
export async function standardSignature(secret: string, id: string, time: string, body: string | Uint8Array): Promise<string | null> {
  if (!STANDARD_SECRET.test(secret)) return null;
  const key = Uint8Array.from(atob(secret.slice("whsec_".length)), (char) => char.charCodeAt(0));
  return `v1,${base64(await hmacSha256(key, `${id}.${time}.`, body))}`;
}
