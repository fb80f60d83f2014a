// How a callback shows who sent it: the auth of its entry and the secrets of that name, as headers. A secret that is missing or can't
// be used is told by its name, never by its value.
import type { CallbackAuth } from "../config/config-schema.ts";
import { entriesOf, misconfigured } from "../config/setting.ts";
import { callbackKey, eventHeaders, signatureEntry } from "./standard-webhooks.ts";

/** A secret's value by its name; undefined where it is not set. */
export type SecretOf = (name: string) => string | undefined;

/** What of the request is signed. */
export interface Signed {
  id: string;
  /** Milliseconds since 1970. */
  now: number;
  body: Uint8Array;
}

/**
 * Secrets may be a list with commas, the new one first: `bearer` and `header` send the first, `standard` signs with each.
 * @throws Problem misconfigured
 */
export async function authHeaders(
  auth: CallbackAuth | undefined,
  secretOf: SecretOf,
  signed: Signed,
): Promise<Record<string, string>> {
  if (auth === undefined) return {};
  if ("bearer" in auth) return { authorization: `Bearer ${first(auth.bearer, secretOf, /^[\x21-\x7e]+$/)}` };
  if ("header" in auth)
    return { [auth.header.name.toLowerCase()]: first(auth.header.secret_name, secretOf, /^[\x20-\x7e]+$/) };
  const keys = secretsOf(auth.standard, secretOf).map((secret) => {
    const key = callbackKey(secret);
    if (key === null) throw misconfigured(auth.standard, 'must be "whsec_" and base64, or a text without spaces');
    return key;
  });
  const headers = eventHeaders(signed.id, signed.now);
  // One for each, so that a receiver may have either while they rotate.
  const entries = keys.map((key) => signatureEntry(key, signed.id, headers["webhook-timestamp"], signed.body));
  return { ...headers, "webhook-signature": (await Promise.all(entries)).join(" ") };
}

/** The header that the auth fills, beside those that no `output` may set. */
export function authHeaderName(auth: CallbackAuth | undefined): string | undefined {
  return auth !== undefined && "header" in auth ? auth.header.name.toLowerCase() : undefined;
}

function first(name: string, secretOf: SecretOf, form: RegExp): string {
  const [secret = ""] = secretsOf(name, secretOf);
  if (!form.test(secret)) throw misconfigured(name, "has characters that no HTTP header may have");
  return secret;
}

function secretsOf(name: string, secretOf: SecretOf): string[] {
  const secrets = entriesOf(secretOf(name));
  if (secrets.length === 0) throw misconfigured(name, "is not set: a callback needs it (src/config.ts, callbacks)");
  return secrets;
}
