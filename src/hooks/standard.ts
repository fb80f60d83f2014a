// Standard Webhooks v1, which OpenAI, Svix and others follow. Svix's own header names are accepted too.
import { signatureEntry, signingKey, splitSecrets, STANDARD_SECRET } from "../core/callbacks/standard-webhooks.ts";
import { DEFAULTS, type Sender } from "./sender.ts";
import { checkTimestamp, readHeaders, UNIX_TIME, verifySignature } from "./verify.ts";

/** An id must not contain `.`, which separates the parts of the signed string, or else that string could be read as another id and time. */
const ID = /^[\x21-\x2d\x2f-\x7e]{1,256}$/;
const ENTRY = "v[0-9]+[a-z]*,[^\\s,]+";
const ENTRIES = new RegExp(`^${ENTRY}(?: ${ENTRY})*$`);
const V1 = /^v1,[A-Za-z0-9+/]{43}=$/;

/** Returns the full name of one header. A request uses either the names of Standard Webhooks or those of Svix, for all three headers. */
function headerName(headers: Headers, part: "id" | "timestamp" | "signature"): string {
  return `${!headers.has("webhook-id") && headers.has("svix-id") ? "svix" : "webhook"}-${part}`;
}

export const standard = {
  ...DEFAULTS,
  title: "Standard Webhooks: OpenAI, Svix and others",
  docs: "https://www.standardwebhooks.com",
  secretForm: { pattern: STANDARD_SECRET, must: "whsec_ and base64, as the sender shows it" },
  splitSecrets,

  async verify({ raw, headers, now, secrets }) {
    const values = readHeaders(headers, {
      id: [headerName(headers, "id"), ID],
      time: [headerName(headers, "timestamp"), UNIX_TIME],
      entries: [headerName(headers, "signature"), ENTRIES],
    });
    if ("rejected" in values) return values;
    // Signatures of other versions (v1a is a public-key signature) may accompany ours, but don't replace it.
    const signatures = values.entries.split(" ").filter((entry) => entry.startsWith("v1,"));
    if (signatures.length === 0 || !signatures.every((entry) => V1.test(entry)))
      return { rejected: "malformed_header" };
    const sign = async (secret: string) => {
      const key = signingKey(secret);
      return key === null ? null : signatureEntry(key, values.id, values.time, raw);
    };
    return checkTimestamp(values.time, now) ?? (await verifySignature(secrets, signatures, sign));
  },

  signedId: (_payload, { headers }) => headers.get(headerName(headers, "id")),
} satisfies Sender;
