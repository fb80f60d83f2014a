// Stripe ("Verify webhook signatures manually"): `t=…,v1=…` over time and body; while a secret is rolled there is a v1 for each.
import { objectOf } from "../core/lib/json.ts";
import { hexOf } from "../core/lib/encoding.ts";
import { PLAIN, readHeaders, type Scheme, signedBy, UNIX_TIME, checkTimestamp } from "./scheme.ts";
import { hmacSha256 } from "../core/lib/hmac.ts";

const ITEM = "[a-z][a-z0-9]*=[A-Za-z0-9+/_-]+";
const ITEMS = new RegExp(`^${ITEM}(?:,${ITEM})*$`);
const V1 = /^[0-9a-f]{64}$/;

export const stripe: Scheme = {
  ...PLAIN,
  secretForm: { pattern: /^whsec_\S+$/, must: "the signing secret of the endpoint, which begins with whsec_" },

  async verify({ raw, headers, now, secrets }) {
    const read = readHeaders(headers, { items: ["stripe-signature", ITEMS] });
    if ("rejected" in read) return read;
    const items = read.items.split(",");
    const valuesOf = (name: string): string[] =>
      items.flatMap((item) => (item.startsWith(`${name}=`) ? [item.slice(name.length + 1)] : []));
    const [time = "", secondTime] = valuesOf("t");
    const signatures = valuesOf("v1");
    if (!UNIX_TIME.test(time) || secondTime !== undefined) return { rejected: "malformed_header" };
    if (signatures.length === 0 || !signatures.every((signature) => V1.test(signature)))
      return { rejected: "malformed_header" };
    const late = checkTimestamp(time, now);
    return late ?? signedBy(secrets, signatures, async (secret) => hexOf(await hmacSha256(secret, `${time}.`, raw)));
  },

  signedId(payload) {
    const { id } = objectOf(payload);
    return typeof id === "string" && id !== "" ? id : null;
  },
};
