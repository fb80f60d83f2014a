// Standard Webhooks v1 with a shared secret (standardwebhooks.com, "Symmetric"): its secrets, its one signature for deliveries that come
// in and callbacks that go out, and the form of the event that we send.
import type { HookOutcome } from "../config/config-schema.ts";
import { base64, hmacSha256 } from "../lib/hmac.ts";

/** `whsec_` and base64. The specification wants 24 bytes or more, but its authors' own examples have fewer. */
export const STANDARD_SECRET = /^whsec_(?=.)(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;

/** @returns what a secret signs with; null where it is none */
export function signingKey(secret: string): Uint8Array<ArrayBuffer> | null {
  if (!STANDARD_SECRET.test(secret)) return null;
  return Uint8Array.from(atob(secret.slice("whsec_".length)), (char) => char.charCodeAt(0));
}

/** The same for callbacks: a receiver that has no secret of that form may take another text, whose own bytes are the key. */
export function callbackKey(secret: string): Uint8Array<ArrayBuffer> | null {
  if (secret.startsWith("whsec_")) return signingKey(secret);
  return /^[\x21-\x7e]+$/.test(secret) ? Uint8Array.from(new TextEncoder().encode(secret)) : null;
}

/**
 * One entry of `webhook-signature`: `v1,` and base64.
 * @param id without a full stop, which separates it from the time
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

/** What happened to a job; the same on every attempt to tell it. */
export type JobEvent = Pick<HookOutcome, "answer" | "error" | "metadata"> & {
  /** The receiver's key against doubles: `webhook-id`. Without dots, which part what is signed. */
  id: string;
  job: string;
  /** Name of the hook that it came by; null for a job that somebody posted. */
  hook: string | null;
  /** When the job ended, in milliseconds since 1970. */
  endedAt: number;
};

/** The body of an event where the config shapes none. */
export function eventBody({ job, hook, endedAt, answer, error, metadata }: JobEvent): object {
  return {
    type: error === null ? "response.completed" : "response.failed",
    timestamp: new Date(endedAt).toISOString(),
    data: { job, hook, ...(error === null ? { answer } : { error }), metadata },
  };
}

/** The id is the event's, the time that of the attempt. */
export function eventHeaders(id: string, nowMs: number): { "webhook-id": string; "webhook-timestamp": string } {
  return { "webhook-id": id, "webhook-timestamp": String(Math.floor(nowMs / 1_000)) };
}
