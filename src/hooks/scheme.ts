// A webhook delivery before anybody believes it: what a scheme (a file in hooks/) promises, and the pieces that schemes share. What is
// signed are the bytes that came, never text that was decoded and encoded again. Knows no provider; the clock is passed in.
import type { Payload } from "../core/config/config-schema.ts";
import { equal } from "../core/callers/ids.ts";
import type { HookResult } from "../contract/job.ts";
import { assertSafe, decodeUtf8, isRecord, parseJson } from "../core/lib/json.ts";
import { Problem } from "../core/lib/problem.ts";
import { entriesOf, misconfigured } from "../core/config/setting.ts";

/** How old a delivery may be, and how far its sender's clock ahead. */
const TOLERANCE_S = 300;
/** Unix seconds. No sign, space or leading zero: libraries sign the number they read, so another spelling would be another text. */
export const UNIX_TIME = /^[1-9]\d{0,11}$/;

export interface WebhookRequest {
  /** The body as it came. */
  raw: Uint8Array;
  headers: Headers;
  url: string;
  /** Milliseconds. */
  now: number;
  /** The hook's secrets, as hookSecrets() gives them. */
  secrets: readonly string[];
}

/** `secret`: which of the secrets it was, 0 the newest: the log can tell when an old one is no longer in use. */
export interface VerifiedWebhook {
  secret: number;
}
/** Why a delivery is refused: for the log. */
export type WebhookRejection =
  | "missing_header"
  | "malformed_header"
  | "stale_timestamp"
  | "future_timestamp"
  | "bad_signature";
export interface RejectedWebhook {
  rejected: WebhookRejection;
}

export type { HookResult };

export interface Reply {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** One way to sign deliveries. Payloads are what parse() returned, of a delivery that verify() let through. */
export interface Scheme {
  /** What a secret of this scheme looks like; absent: any text. */
  readonly secretForm?: { readonly pattern: RegExp; readonly must: string };
  /** Never throws for anything that a sender can send. */
  verify(delivery: WebhookRequest): Promise<VerifiedWebhook | RejectedWebhook>;
  /** @throws Problem 400 */
  parse(raw: Uint8Array, headers: Headers): Payload;
  /** The reply to a delivery that only asks whether anybody is there, else null. */
  handshake?(payload: unknown, headers: Headers): Reply | null;
  /** The delivery's name, out of what is signed: the same one is the same delivery. Null: only the raw body can name it. */
  signedId(payload: unknown, delivery: Pick<WebhookRequest, "headers">): string | null;
  /** The name that a header alone gives it: good for the log, never for a decision. */
  unsignedId?(headers: Headers): string | null;
  /** A bot made the event, so that answering it could go on without end. */
  isBot(payload: unknown): boolean;
  acknowledge(result: HookResult, payload: unknown): Reply;
}

/** A scheme without peculiarities; each says where it differs. */
export const PLAIN = {
  parse: readPayload,
  signedId: () => null,
  isBot: () => false,
  acknowledge,
} satisfies Partial<Scheme>;

/** Of the value of the setting `name`: one secret, or several with commas between, the newest first. @throws Problem misconfigured */
export function hookSecrets(scheme: Scheme, name: string, value: string | undefined): string[] {
  const secrets = entriesOf(value);
  if (secrets.length === 0)
    throw misconfigured(name, "is missing: without it no delivery to this hook can be verified");
  const { secretForm: form } = scheme;
  if (form !== undefined && !secrets.every((secret) => form.pattern.test(secret)))
    throw misconfigured(name, `must be ${form.must}`);
  return secrets;
}

/** The headers by the part they play. Each must be there once and have its form: two of one name arrive joined by ", ". */
export function readHeaders<Part extends string>(
  headers: Headers,
  forms: Record<Part, readonly [name: string, form: RegExp]>,
): Record<Part, string> | RejectedWebhook {
  const found: Partial<Record<Part, string>> = {};
  for (const part of Object.keys(forms) as Part[]) {
    const [name, form] = forms[part];
    const value = headers.get(name);
    if (value === null) return { rejected: "missing_header" };
    if (!form.test(value)) return { rejected: "malformed_header" };
    found[part] = value;
  }
  return found as Record<Part, string>;
}

/** Whole seconds count, as in the providers' own libraries. @param time of the form UNIX_TIME */
export function checkTimestamp(time: string, nowMs: number): RejectedWebhook | null {
  const age = Math.floor(nowMs / 1_000) - Number(time);
  if (age > TOLERANCE_S) return { rejected: "stale_timestamp" };
  return age < -TOLERANCE_S ? { rejected: "future_timestamp" } : null;
}

/**
 * Signatures are compared as text: base64 has several spellings of the same bytes, and only one of them is what the sender wrote.
 * Each secret signs once, however many signatures are given; nothing is skipped after a hit.
 * @param sign what the sender would write with this secret; null where the secret is none of this scheme
 */
export async function signedBy(
  secrets: readonly string[],
  signatures: readonly string[],
  sign: (secret: string) => Promise<string | null>,
): Promise<VerifiedWebhook | RejectedWebhook> {
  let found: number | undefined;
  for (const [index, secret] of secrets.entries()) {
    // Anybody can sign with an empty key.
    const expected = secret === "" ? null : await sign(secret);
    if (expected === null) continue;
    for (const signature of signatures) {
      if (equal(encoder.encode(signature), encoder.encode(expected))) found ??= index;
    }
  }
  return found === undefined ? { rejected: "bad_signature" } : { secret: found };
}

const encoder = new TextEncoder();

/**
 * JSON, or a form: one with the field `payload` is the JSON in it (as GitHub and Slack send it), any other its fields.
 * The content type is not signed: a body that begins as JSON is JSON whatever the headers say.
 * @throws Problem invalid_json, invalid_request, input_too_deep
 */
function readPayload(raw: Uint8Array, headers: Headers): Payload {
  const text = decodeUtf8(raw);
  const type = headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  const form = type === "application/x-www-form-urlencoded" && !/^\s*[{[]/.test(text);
  const payload = form ? formPayload(new URLSearchParams(text)) : jsonPayload(text);
  if (!isRecord(payload) && !Array.isArray(payload)) {
    throw new Problem(
      "invalid_request",
      "The event must be a JSON object or a form. Send it as the provider's documentation says.",
    );
  }
  assertSafe(payload);
  return payload;
}

function jsonPayload(text: string): unknown {
  const value = parseJson(text);
  if (value === undefined)
    throw new Problem("invalid_json", "The event is not valid JSON. Send it as the provider's documentation says.");
  return value;
}

function formPayload(form: URLSearchParams): unknown {
  if (new Set(form.keys()).size !== form.size)
    throw new Problem("invalid_request", "A form field is there twice. Send each field once.");
  const payload = form.get("payload");
  if (payload !== null) return jsonPayload(payload);
  // Makes `__proto__` a field like any other, for assertSafe to find.
  return Object.fromEntries(form);
}

/** Any 2xx is success to every provider here but where a scheme says otherwise; `job` is for people who read their delivery log. */
function acknowledge({ status, job }: HookResult): Reply {
  return {
    status: status === "accepted" ? 202 : 200,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ status, job }),
  };
}
