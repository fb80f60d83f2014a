// The pieces of a sender's `verify`: headers of a strict form, the age of a signed time, signatures under several secrets. Knows no
// provider; the time is passed in.
import { timingSafeEqual } from "../core/lib/hmac.ts";

/** How old a signed time may be, and how far the sender's clock may be ahead. */
const TOLERANCE_S = 300;
/** Unix seconds. Libraries sign the number that they parse, so a sign, a space or a leading zero would make another signed text. */
export const UNIX_TIME = /^[1-9]\d{0,11}$/;

/** `secret`: index of the secret that signed, 0 for the newest. The log shows whether an old secret is still in use. */
export interface VerifiedWebhook {
  secret: number;
}
/** Why a request was rejected. It is logged and never sent. */
export type WebhookRejection =
  | "missing_header"
  | "malformed_header"
  | "stale_timestamp"
  | "future_timestamp"
  | "bad_signature";
export interface RejectedWebhook {
  rejected: WebhookRejection;
}

/**
 * The values of headers, under the keys of `forms`.
 * @param forms the name and the form of each header. A header that is sent twice arrives joined by ", " and must not fit its form.
 */
export function readHeaders<Key extends string>(
  headers: Headers,
  forms: Record<Key, readonly [name: string, form: RegExp]>,
): Record<Key, string> | RejectedWebhook {
  const values: Partial<Record<Key, string>> = {};
  for (const key of Object.keys(forms) as Key[]) {
    const [name, form] = forms[key];
    const value = headers.get(name);
    if (value === null) return { rejected: "missing_header" };
    if (!form.test(value)) return { rejected: "malformed_header" };
    values[key] = value;
  }
  return values as Record<Key, string>;
}

/**
 * Checks the age of a signed time: null if it is within 300 s of now. Compares whole seconds, as the providers' own libraries do.
 * @param time of the form UNIX_TIME
 */
export function checkTimestamp(time: string, nowMs: number): RejectedWebhook | null {
  const age = Math.floor(nowMs / 1_000) - Number(time);
  if (age > TOLERANCE_S) return { rejected: "stale_timestamp" };
  return age < -TOLERANCE_S ? { rejected: "future_timestamp" } : null;
}

/**
 * Whether one of the signatures is by one of the secrets. Compares texts, because base64 can spell the same bytes in several ways and a
 * sender writes only one of them. To take the same time for every result, it goes on after a match.
 * @param sign the signature that the sender would write with this secret; null for a secret that can't sign
 */
export async function verifySignature(
  secrets: readonly string[],
  signatures: readonly string[],
  sign: (secret: string) => Promise<string | null>,
): Promise<VerifiedWebhook | RejectedWebhook> {
  let match: number | undefined;
  for (const [index, secret] of secrets.entries()) {
    // Anyone can sign with an empty key.
    const expected = secret === "" ? null : await sign(secret);
    if (expected === null) continue;
    for (const signature of signatures) {
      if (timingSafeEqual(encoder.encode(signature), encoder.encode(expected))) match ??= index;
    }
  }
  return match === undefined ? { rejected: "bad_signature" } : { secret: match };
}

const encoder = new TextEncoder();
