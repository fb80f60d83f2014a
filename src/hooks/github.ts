// GitHub signs the body with HMAC-SHA256, but neither a time nor an id. So only the body identifies a repeated event.
import { hexOf } from "../core/lib/bytes.ts";
import { hmacSha256 } from "../core/lib/hmac.ts";
import { objectOf } from "../core/lib/json.ts";
import { DEFAULTS, type Sender } from "./sender.ts";
import { readHeaders, verifySignature } from "./verify.ts";

export const github = {
  ...DEFAULTS,
  title: "GitHub",
  docs: "https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",

  async verify({ raw, headers, secrets }) {
    const values = readHeaders(headers, { signature: ["x-hub-signature-256", /^sha256=[0-9a-f]{64}$/] });
    if ("rejected" in values) return values;
    return verifySignature(
      secrets,
      [values.signature],
      async (secret) => `sha256=${hexOf(await hmacSha256(secret, raw))}`,
    );
  },

  // GitHub sends a ping when a webhook is created. The header is not signed, but a forged header can only make us ignore the event.
  handshake: (_payload, headers) =>
    headers.get("x-github-event") === "ping" ? DEFAULTS.acknowledge({ status: "ignored" }) : null,

  unsignedId: (headers) => headers.get("x-github-delivery"),

  isBot: (payload) => objectOf(objectOf(payload)["sender"])["type"] === "Bot",
} satisfies Sender;
