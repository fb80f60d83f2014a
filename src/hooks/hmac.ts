// Any sender that signs with HMAC-SHA256 and a shared secret, as the config describes it: Shopify and many others.
import type { Hook } from "../core/config/config-schema.ts";
import { hexOf } from "../core/lib/encoding.ts";
import { PLAIN, readHeaders, type Scheme, signedBy, UNIX_TIME, checkTimestamp } from "./scheme.ts";
import { base64, hmacSha256 } from "../core/lib/hmac.ts";

type HmacSettings = Pick<
  Extract<Hook, { scheme: "hmac" }>,
  "header" | "encoding" | "template" | "timestamp_header" | "id_header"
>;

const ALGORITHM = "sha256=";
/** `sha256=` in front is the custom of many senders; those who don't write it sign no worse. */
const FORMS = { hex: /^(?:sha256=)?[0-9a-f]{64}$/, base64: /^(?:sha256=)?[A-Za-z0-9+/]{43}=$/ };
const WRITE = { hex: hexOf, base64 };

export function hmac({
  header,
  encoding,
  template,
  timestamp_header: timeHeader,
  id_header: idHeader,
}: HmacSettings): Scheme {
  const parts = template.split(/(\{body\}|\{timestamp\})/);

  return {
    ...PLAIN,

    async verify({ raw, headers, now, secrets }) {
      const read = readHeaders(headers, { signature: [header, FORMS[encoding]] });
      if ("rejected" in read) return read;
      let time = "";
      if (timeHeader !== undefined) {
        const dated = readHeaders(headers, { time: [timeHeader, UNIX_TIME] });
        if ("rejected" in dated) return dated;
        const late = checkTimestamp(dated.time, now);
        if (late !== null) return late;
        ({ time } = dated);
      }
      const signed = parts.map((part) => (part === "{body}" ? raw : part === "{timestamp}" ? time : part));
      const signature = read.signature.startsWith(ALGORITHM) ? read.signature.slice(ALGORITHM.length) : read.signature;
      return signedBy(secrets, [signature], async (secret) => WRITE[encoding](await hmacSha256(secret, ...signed)));
    },

    unsignedId: (headers) => (idHeader === undefined ? null : headers.get(idHeader)),
  };
}
