// Standard Webhooks v1 with a shared secret (standardwebhooks.com, "Symmetric"): its secrets, the signature that incoming webhooks and
// outgoing callbacks share, and the form of the events that we send.
import type { HookOutcome } from "../config/config-schema.ts";
import { hmacSha256 } from "../lib/hmac.ts";
import { base64 } from "../lib/bytes.ts";

/**
 * `whsec_`, then base64. The specification requires at least 24 bytes, but its authors' own examples have fewer, so any length is accepted.
 * Without `whsec_`, at least 16 characters are required, because a short word is more likely a mistake.
 */
export const STANDARD_SECRET =
  /^(?:whsec_(?=.)|(?=.{16}))(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;

/** Decodes a secret. @returns null if the secret does not have the form of STANDARD_SECRET */
export function signingKey(secret: string): Uint8Array<ArrayBuffer> | null {
  if (!STANDARD_SECRET.test(secret)) return null;
  return Uint8Array.from(atob(secret.replace(/^whsec_/, "")), (char) => char.charCodeAt(0));
}

/**
 * Splits a setting into secrets of senders. Some senders show the version before each secret (`v1,whsec_…`), and separate secrets with
 * spaces.
 */
export function splitSecrets(value: string): string[] {
  return value.split(/[\s,]+/).filter((entry) => entry !== "" && entry !== "v1");
}

/**
 * Returns the signing key for a callback's secret: decoded if it starts with `whsec_`, otherwise its ASCII bytes. Null if a `whsec_` secret
 * is malformed, or if the secret has spaces or non-ASCII characters.
 */
export function callbackKey(secret: string): Uint8Array<ArrayBuffer> | null {
  if (secret.startsWith("whsec_")) return signingKey(secret);
  return /^[\x21-\x7e]+$/.test(secret) ? Uint8Array.from(new TextEncoder().encode(secret)) : null;
}

/**
 * Signs a message. Returns one entry of `webhook-signature`: `v1,` and base64.
 * @param id the value of `webhook-id`, which must not contain `.`, the separator of the signed string
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
  /** The `webhook-id`, by which a receiver recognizes duplicates. It must not contain `.`, the separator of the signed string. */
  id: string;
  job: string;
  /** Name of the hook that received the event; null for a job of POST /jobs. */
  hook: string | null;
  /** When the job ended, in milliseconds since 1970. */
  endedAt: number;
};

/** Returns the default callback body, which is sent if the hook has no `output` function. */
export function eventBody({ job, hook, endedAt, answer, error, metadata }: JobEvent): object {
  return {
    type: error === null ? "response.completed" : "response.failed",
    timestamp: new Date(endedAt).toISOString(),
    data: { job, hook, ...(error === null ? { answer } : { error }), metadata },
  };
}

/**
 * Returns the headers that identify an event.
 * @param id the event's id
 * @param nowMs the time of this attempt, in milliseconds since 1970
 */
export function eventHeaders(id: string, nowMs: number): { "webhook-id": string; "webhook-timestamp": string } {
  return { "webhook-id": id, "webhook-timestamp": String(Math.floor(nowMs / 1_000)) };
}
