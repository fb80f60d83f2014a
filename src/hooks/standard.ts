// Standard Webhooks v1 (standardwebhooks.com): OpenAI, Svix and whoever follows the specification. Svix's own header names count as well.
import { signatureEntry, signingKey, STANDARD_SECRET } from "../core/callbacks/standard-webhooks.ts";
import { PLAIN, readHeaders, type Scheme, signedBy, UNIX_TIME, checkTimestamp } from "./scheme.ts";

/** No full stop: it separates the id from the time, and an id with one could be another id with another time. */
const ID = /^[\x21-\x2d\x2f-\x7e]{1,256}$/;
const ENTRY = "v[0-9]+[a-z]*,[^\\s,]+";
const ENTRIES = new RegExp(`^${ENTRY}(?: ${ENTRY})*$`);
const V1 = /^v1,[A-Za-z0-9+/]{43}=$/;

/** One family of names or the other, never a mixture. */
function nameOf(headers: Headers, part: "id" | "timestamp" | "signature"): string {
  return `${!headers.has("webhook-id") && headers.has("svix-id") ? "svix" : "webhook"}-${part}`;
}

export const standard: Scheme = {
  ...PLAIN,
  secretForm: { pattern: STANDARD_SECRET, must: "whsec_ and base64, as the sender shows it" },

  async verify({ raw, headers, now, secrets }) {
    const read = readHeaders(headers, {
      id: [nameOf(headers, "id"), ID],
      time: [nameOf(headers, "timestamp"), UNIX_TIME],
      entries: [nameOf(headers, "signature"), ENTRIES],
    });
    if ("rejected" in read) return read;
    // Other versions (v1a: public keys) stand beside ours; a header with nothing but those is nothing to us.
    const signatures = read.entries.split(" ").filter((entry) => entry.startsWith("v1,"));
    if (signatures.length === 0 || !signatures.every((entry) => V1.test(entry)))
      return { rejected: "malformed_header" };
    const late = checkTimestamp(read.time, now);
    if (late !== null) return late;
    return signedBy(secrets, signatures, async (secret) => {
      const key = signingKey(secret);
      return key === null ? null : signatureEntry(key, read.id, read.time, raw);
    });
  },

  signedId: (_payload, { headers }) => headers.get(nameOf(headers, "id")),
};
