// Standard Webhooks v1 with a shared secret (standardwebhooks.com, "Symmetric"): its secrets, the signature that incoming webhooks and
// outgoing callbacks share, and the form of the events that we send.
import type { HookOutcome } from "../config/config-schema.ts";
import { hmacSha256 } from "../lib/hmac.ts";
import { base64 } from "../lib/bytes.ts";

/** `whsec_` and base64. The specification requires 24 bytes or more, but its authors' own examples have fewer. */
export const STANDARD_SECRET = /^whsec_(?=.)(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;

/** The key of a secret; null for a text that is not of this form. */
export function signingKey(secret: string): Uint8Array<ArrayBuffer> | null {
  if (!STANDARD_SECRET.test(secret)) return null;
  return Uint8Array.from(atob(secret.slice("whsec_".length)), (char) => char.charCodeAt(0));
}

/** The key of a callback's secret, which may also be any other ASCII text without spaces: its bytes are the key. Null for anything else. */
export function callbackKey(secret: string): Uint8Array<ArrayBuffer> | null {
  if (secret.startsWith("whsec_")) return signingKey(secret);
  return /^[\x21-\x7e]+$/.test(secret) ? Uint8Array.from(new TextEncoder().encode(secret)) : null;
}

/**
 * One entry of `webhook-signature`: `v1,` and base64.
 * @param id without a full stop, which separates it from the time in the signed text
 * @param time Unix seconds, as in `webhook-timestamp`
 */
export async function signatureEntry(
  key: Uint8Array<ArrayBuffer>,
  id: string,
  time: string,
  body: string | Uint8Array,
): Promise<string> {
  return `v1,${base64(await hmacSha256(key, `${id}.${time}.`, body))}`;
}

/** The outcome of a job, the same on every attempt to deliver it. */
export type JobEvent = Pick<HookOutcome, "answer" | "error" | "metadata"> & {
  /** The `webhook-id`, by which a receiver recognizes duplicates. Without a full stop, which separates the signed parts. */
  id: string;
  job: string;
  /** Name of the hook that received the event; null for a job of POST /jobs. */
  hook: string | null;
  /** When the job ended, in milliseconds since 1970. */
  endedAt: number;
};

/** The body of a callback without `output`. */
export function eventBody({ job, hook, endedAt, answer, error, metadata }: JobEvent): object {
  return {
    type: error === null ? "response.completed" : "response.failed",
    timestamp: new Date(endedAt).toISOString(),
    data: { job, hook, ...(error === null ? { answer } : { error }), metadata },
  };
}

/**
 * @param id of the event
 * @param nowMs time of this attempt, in milliseconds since 1970
 */
export function eventHeaders(id: string, nowMs: number): { "webhook-id": string; "webhook-timestamp": string } {
  return { "webhook-id": id, "webhook-timestamp": String(Math.floor(nowMs / 1_000)) };
}
