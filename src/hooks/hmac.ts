// Any sender that signs with HMAC-SHA256 and a shared secret, such as Shopify. The hook's settings describe the signature.
import type { Hook } from "../core/config/config-schema.ts";
import { base64, hexOf } from "../core/lib/bytes.ts";
import { hmacSha256 } from "../core/lib/hmac.ts";
import { DEFAULTS, type Sender } from "./sender.ts";
import { checkTimestamp, readHeaders, UNIX_TIME, verifySignature } from "./verify.ts";

const ALGORITHM = "sha256=";
/** Many senders write `sha256=` before a signature. The prefix adds no security, so both forms are accepted. */
const FORMS = { hex: /^(?:sha256=)?[0-9a-f]{64}$/, base64: /^(?:sha256=)?[A-Za-z0-9+/]{43}=$/ };
const ENCODE = { hex: hexOf, base64 };

export const hmac = {
  ...DEFAULTS,
  title: "Shopify and other HMAC-SHA256 senders",
  docs: "https://www.rfc-editor.org/rfc/rfc2104",

  async verify({ raw, headers, now, secrets }, { header, encoding, template, timestamp_header: timeHeader }) {
    const values = readHeaders(headers, { signature: [header, FORMS[encoding]] });
    if ("rejected" in values) return values;
    let time = "";
    if (timeHeader !== undefined) {
      const timeValues = readHeaders(headers, { time: [timeHeader, UNIX_TIME] });
      if ("rejected" in timeValues) return timeValues;
      const rejection = checkTimestamp(timeValues.time, now);
      if (rejection !== null) return rejection;
      ({ time } = timeValues);
    }
    const signed = template
      .split(/(\{body\}|\{timestamp\})/)
      .map((part) => (part === "{body}" ? raw : part === "{timestamp}" ? time : part));
    const signature = values.signature.startsWith(ALGORITHM)
      ? values.signature.slice(ALGORITHM.length)
      : values.signature;
    return verifySignature(secrets, [signature], async (secret) =>
      ENCODE[encoding](await hmacSha256(secret, ...signed)),
    );
  },

  unsignedId: (headers, { id_header: idHeader }) => (idHeader === undefined ? null : headers.get(idHeader)),
} satisfies Sender<Extract<Hook, { scheme: "hmac" }>>;
