// Creates the headers with which a receiver authenticates a callback, from the `auth` of the callback's entry and the secret that it names.
// An error names the secret, but never shows its value.
import type { CallbackAuth } from "../config/config-schema.ts";
import { entriesOf, misconfigured } from "../config/setting.ts";
import { callbackKey, eventHeaders, signatureEntry } from "./standard-webhooks.ts";

/** Returns a secret's value by its name; undefined if the secret is not set. */
export type SecretOf = (name: string) => string | undefined;

/** The signed parts of a request. */
export interface SignedContent {
  /** The value of `webhook-id`. */
  id: string;
  /** Milliseconds since 1970. */
  now: number;
  body: Uint8Array;
}

/**
 * Creates the headers. A secret may be a list of secrets separated by commas, newest first. `bearer` and `header` send the first one, and
 * `standard` signs with each of them.
 * @throws Problem 503 misconfigured
 */
export async function authHeaders(
  auth: CallbackAuth | undefined,
  secretOf: SecretOf,
  content: SignedContent,
): Promise<Record<string, string>> {
  if (auth === undefined) return {};
  if ("bearer" in auth) return { authorization: `Bearer ${firstSecret(auth.bearer, secretOf, /^[\x21-\x7e]+$/)}` };
  if ("header" in auth)
    return { [auth.header.name.toLowerCase()]: firstSecret(auth.header.secret_name, secretOf, /^[\x20-\x7e]+$/) };
  const keys = secretsOf(auth.standard, secretOf).map((secret) => {
    const key = callbackKey(secret);
    if (key === null)
      throw misconfigured(auth.standard, 'must be "whsec_" and base64, or ASCII characters without spaces');
    return key;
  });
  const headers = eventHeaders(content.id, content.now);
  // There is one signature for each secret. During a rotation, the receiver may have either secret.
  const entries = keys.map((key) => signatureEntry(key, content.id, headers["webhook-timestamp"], content.body));
  return { ...headers, "webhook-signature": (await Promise.all(entries)).join(" ") };
}

/** Returns the name of the header that `auth` sets, in lower case. `output` may not set this header. */
export function authHeaderName(auth: CallbackAuth | undefined): string | undefined {
  return auth !== undefined && "header" in auth ? auth.header.name.toLowerCase() : undefined;
}

function firstSecret(name: string, secretOf: SecretOf, form: RegExp): string {
  const [secret = ""] = secretsOf(name, secretOf);
  if (!form.test(secret)) throw misconfigured(name, "has characters that are not allowed in an HTTP header");
  return secret;
}

function secretsOf(name: string, secretOf: SecretOf): string[] {
  const secrets = entriesOf(secretOf(name));
  if (secrets.length === 0) throw misconfigured(name, "is not set: a callback needs it (src/config.ts, callbacks)");
  return secrets;
}
