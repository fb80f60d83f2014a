// Stripe signs the time and the body in one header, `t=…,v1=…`. While a secret is rolled, the header has a v1 for each secret.
import { hexOf } from "../core/lib/bytes.ts";
import { hmacSha256 } from "../core/lib/hmac.ts";
import { objectOf, textOf } from "../core/lib/json.ts";
import { DEFAULTS, type Sender } from "./sender.ts";
import { checkTimestamp, readHeaders, UNIX_TIME, verifySignature } from "./verify.ts";

const ITEM = "[a-z][a-z0-9]*=[A-Za-z0-9+/_-]+";
const ITEMS = new RegExp(`^${ITEM}(?:,${ITEM})*$`);
const V1 = /^[0-9a-f]{64}$/;

export const stripe = {
  ...DEFAULTS,
  title: "Stripe",
  docs: "https://docs.stripe.com/webhooks#verify-manually",
  secretForm: { pattern: /^whsec_\S+$/, must: "the signing secret of the endpoint, which begins with whsec_" },

  async verify({ raw, headers, now, secrets }) {
    const values = readHeaders(headers, { items: ["stripe-signature", ITEMS] });
    if ("rejected" in values) return values;
    const items = values.items.split(",");
    const valuesOf = (name: string): string[] =>
      items.flatMap((item) => (item.startsWith(`${name}=`) ? [item.slice(name.length + 1)] : []));
    const [time = "", secondTime] = valuesOf("t");
    const signatures = valuesOf("v1");
    if (!UNIX_TIME.test(time) || secondTime !== undefined) return { rejected: "malformed_header" };
    if (signatures.length === 0 || !signatures.every((signature) => V1.test(signature)))
      return { rejected: "malformed_header" };
    const sign = async (secret: string) => hexOf(await hmacSha256(secret, `${time}.`, raw));
    return checkTimestamp(time, now) ?? (await verifySignature(secrets, signatures, sign));
  },

  signedId: (payload) => textOf(objectOf(payload)["id"]) || null,
} satisfies Sender;
