// GitHub ("Validating webhook deliveries"): HMAC-SHA256 of the body. No time is signed and no id either: only the body tells a replay.
import { objectOf } from "../core/lib/json.ts";
import { hexOf } from "../core/lib/encoding.ts";
import { PLAIN, readHeaders, type Scheme, signedBy } from "./scheme.ts";
import { hmacSha256 } from "../core/lib/hmac.ts";

export const github: Scheme = {
  ...PLAIN,

  async verify({ raw, headers, secrets }) {
    const read = readHeaders(headers, { signature: ["x-hub-signature-256", /^sha256=[0-9a-f]{64}$/] });
    if ("rejected" in read) return read;
    return signedBy(secrets, [read.signature], async (secret) => `sha256=${hexOf(await hmacSha256(secret, raw))}`);
  },

  // Sent once when the webhook is made. Nobody signs the header, but all that it can do is to have a delivery ignored.
  handshake: (_payload, headers) =>
    headers.get("x-github-event") === "ping" ? PLAIN.acknowledge({ status: "ignored" }) : null,

  unsignedId: (headers) => headers.get("x-github-delivery"),

  isBot: (payload) => objectOf(objectOf(payload)["sender"])["type"] === "Bot",
};
