// What the Worker must know about one kind of webhook sender, and what most senders have in common. Knows no provider, no route and no
// clock. verify.ts has the functions from which a sender's `verify` is built.
import type { HookResult } from "../contract/job.ts";
import type { Hook, Payload } from "../core/config/config-schema.ts";
import { entriesOf, misconfigured } from "../core/config/setting.ts";
import { readPayload } from "./payload.ts";
import type { RejectedWebhook, VerifiedWebhook } from "./verify.ts";

/** A request to POST /hooks/{name} whose sender has not been verified. */
export interface WebhookRequest {
  /** The body as received. Signatures cover exactly these bytes, which decoding and encoding could change. */
  raw: Uint8Array;
  headers: Headers;
  /** For senders that sign the URL. */
  url: string;
  /** When the request arrived, in milliseconds since 1970. */
  now: number;
  /** The hook's secrets, the newest first, each in the sender's `secretForm`. */
  secrets: readonly string[];
}

/** An HTTP response to a sender. */
export interface HookResponse {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/**
 * One kind of webhook sender: how its requests are verified, read and acknowledged. Each sender has a file in src/hooks and a row in
 * SENDERS (senders.ts). All methods but `verify` see only requests that `verify` has accepted.
 *
 * `HookSettings` is `Hook` unless the sender has settings of its own (SENDER_SETTINGS in src/core/config/config-schema.ts).
 * @example A sender that signs the time, a period and the body, and names each event in `id`:
 * ```ts
 * import { hexOf } from "../core/lib/bytes.ts";
 * import { hmacSha256 } from "../core/lib/hmac.ts";
 * import { objectOf, textOf } from "../core/lib/json.ts";
 * import { DEFAULTS, type Sender } from "./sender.ts";
 * import { checkTimestamp, readHeaders, UNIX_TIME, verifySignature } from "./verify.ts";
 *
 * export const acme = {
 *   ...DEFAULTS,
 *   title: "Acme",
 *   docs: "https://docs.acme.example/webhooks",
 *
 *   async verify({ raw, headers, now, secrets }) {
 *     const values = readHeaders(headers, {
 *       time: ["acme-timestamp", UNIX_TIME],
 *       signature: ["acme-signature", /^[0-9a-f]{64}$/],
 *     });
 *     if ("rejected" in values) return values;
 *     const sign = async (secret: string) => hexOf(await hmacSha256(secret, `${values.time}.`, raw));
 *     return checkTimestamp(values.time, now) ?? (await verifySignature(secrets, [values.signature], sign));
 *   },
 *
 *   signedId: (payload) => textOf(objectOf(payload)["id"]) || null,
 * } satisfies Sender;
 * ```
 */
export interface Sender<HookSettings extends Hook = Hook> {
  /** The sender's name in documents. */
  readonly title: string;
  /** The provider's page, or the specification, that says how requests are signed. */
  readonly docs: string;
  /** The form of a secret. `must` completes the error "must be …". If absent, any string is accepted. */
  readonly secretForm?: { readonly pattern: RegExp; readonly must: string };
  /** Splits a setting into its secrets. If absent, they are separated by commas. */
  splitSecrets?(value: string): string[];
  /** Checks whether the sender signed this request. Must not throw for any request. */
  verify(request: WebhookRequest, hook: HookSettings): Promise<VerifiedWebhook | RejectedWebhook>;
  /** Parses the body of an event. @throws Problem 400 invalid_json, invalid_request, input_too_deep, too_many_values */
  parse(raw: Uint8Array, headers: Headers): Payload;
  /** Returns the response to a request that only tests the endpoint, or null for an event. */
  handshake?(payload: unknown, headers: Headers): HookResponse | null;
  /**
   * Returns the event's id if the signature covers one: a request with the same id is a duplicate. If the result is null, a request with
   * the same body is a duplicate.
   */
  signedId(payload: unknown, request: Pick<WebhookRequest, "headers">): string | null;
  /** Returns the id from a header that is not signed. The id is only logged; no decision depends on it. */
  unsignedId?(headers: Headers, hook: HookSettings): string | null;
  /** Whether a bot caused the event. Answering such an event could cause the next one, in an endless loop. */
  isBot(payload: unknown): boolean;
  /** Returns the response to an event that was accepted, is a duplicate, or is ignored. */
  acknowledge(result: HookResult, payload: unknown): HookResponse;
}

/** The methods for senders that don't define their own. */
export const DEFAULTS = {
  parse: readPayload,
  signedId: () => null,
  isBot: () => false,
  acknowledge: acknowledgeAsJson,
} satisfies Partial<Sender>;

/** For most senders any 2xx is a success; the others define `acknowledge`. `job` is for people who read the provider's log. */
function acknowledgeAsJson({ status, job }: HookResult): HookResponse {
  return {
    status: status === "accepted" ? 202 : 200,
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ status, job }),
  };
}

/**
 * Splits a setting into its secrets, the newest first.
 * @param name the name of the setting. An error shows this name, never the value
 * @throws Problem 503 misconfigured if there is no secret, or if one does not have the form that the sender requires
 */
export function hookSecrets(sender: Sender, name: string, value = ""): string[] {
  const { secretForm } = sender;
  const secrets = sender.splitSecrets?.(value) ?? entriesOf(value);
  if (secrets.length === 0) throw misconfigured(name, "is missing: without it no event for this hook can be verified");
  if (secretForm !== undefined && !secrets.every((secret) => secretForm.pattern.test(secret)))
    throw misconfigured(name, `must be ${secretForm.must}`);
  return secrets;
}
