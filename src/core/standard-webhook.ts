// Standard Webhooks v1 (https://www.standardwebhooks.com), the sender's side: its keys, its headers, and the form of an event.
import type { HookOutcome } from "./config-schema.ts";

/** What happened to a job; the same on every attempt to tell it. */
export type JobEvent = Pick<HookOutcome, "answer" | "error" | "metadata"> & {
  /** Id of the job: the receiver's key against doubles. Without dots, which part what is signed. */
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

/** @returns the key of a secret: base64 after `whsec_`, else the text's own bytes; null where it is none */
export function signingKey(secret: string): Uint8Array<ArrayBuffer> | null {
  if (!secret.startsWith("whsec_")) return /^[\x21-\x7e]+$/.test(secret) ? bytesOf(secret) : null;
  try {
    const key = Uint8Array.from(atob(secret.slice("whsec_".length)), (char) => char.charCodeAt(0));
    return key.length === 0 ? null : key;
  } catch {
    return null;
  }
}

/** `webhook-id` and `webhook-timestamp`: the id is the event's, the time that of the attempt. */
export function eventHeaders(id: string, nowMs: number): Record<string, string> {
  return { "webhook-id": id, "webhook-timestamp": String(Math.floor(nowMs / 1_000)) };
}

/** `webhook-signature`: one for each key, so that a receiver may have either while they rotate. */
export async function signatures(keys: readonly Uint8Array<ArrayBuffer>[], id: string, nowMs: number, body: Uint8Array): Promise<string> {
  const head = bytesOf(`${id}.${Math.floor(nowMs / 1_000)}.`);
  const signed = new Uint8Array(head.length + body.length);
  signed.set(head);
  signed.set(body, head.length);
  const each = keys.map(async (bytes) => {
    const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, signed));
    return `v1,${btoa(String.fromCharCode(...mac))}`;
  });
  return (await Promise.all(each)).join(" ");
}

export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode(text));
}
