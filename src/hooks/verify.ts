// The functions from which a sender's `verify` is built: they read headers of a strict form, check the age of a signed time, and compare
// signatures under several secrets. They know no provider and no clock.
import { timingSafeEqual } from "../core/lib/hmac.ts";

/** How old a signed time may be, and how far the sender's clock may be ahead, in seconds. */
const TOLERANCE_S = 300;
/** Unix seconds. Libraries sign the number that they parse, so a plus sign, a space or a leading zero would change the signed string. */
export const UNIX_TIME = /^[1-9]\d{0,11}$/;

export interface VerifiedWebhook {
  /** Index of the secret that signed, 0 for the newest. The log shows it, so that a deployer sees whether an old secret is still in use. */
  secret: number;
}
/** Why a request was rejected. The reason is logged and never sent. */
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
 * Reads headers.
 * @param forms the name and the form of each header. A header that is sent twice arrives as two values joined by ", ", which the form must
 * not match
 * @returns the values under the keys of `forms`; or a rejection, if a header is missing or does not match its form
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
 * Checks the age of a signed time. Compares whole seconds, as the providers' own libraries do.
 * @param time Unix seconds in the form UNIX_TIME
 * @returns null if the time is at most 300 s from now; or else the rejection
 */
export function checkTimestamp(time: string, nowMs: number): RejectedWebhook | null {
  const age = Math.floor(nowMs / 1_000) - Number(time);
  if (age > TOLERANCE_S) return { rejected: "stale_timestamp" };
  return age < -TOLERANCE_S ? { rejected: "future_timestamp" } : null;
}

/**
 * Checks whether one of the secrets made one of the signatures. Compares strings rather than bytes, because base64 can spell the same bytes
 * in several ways, and a sender writes only one of them. Continues after a match, so that every result takes the same time.
 * @param sign returns the signature that the sender would write with this secret, or null if the secret can't sign
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
