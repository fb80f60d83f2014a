// Telegram (Bot API, setWebhook's `secret_token`): nothing is signed, the secret itself comes along. So neither body nor time is proven
// by more than TLS, and what tells a replay is the update's own number.
import { keyDigest } from "../core/callers/credential.ts";
import { isRecord, objectOf } from "../core/lib/json.ts";
import { PLAIN, readHeaders, type Scheme, signedBy } from "./scheme.ts";

const TOKEN = /^[A-Za-z0-9_-]{1,256}$/;

export const telegram: Scheme = {
  ...PLAIN,
  secretForm: { pattern: TOKEN, must: "the secret_token given to setWebhook: 1 to 256 of A-Z, a-z, 0-9, _ and -" },

  async verify({ headers, secrets }) {
    const read = readHeaders(headers, { token: ["x-telegram-bot-api-secret-token", TOKEN] });
    if ("rejected" in read) return read;
    // Digests have one length, so that the comparison says nothing of the secret's.
    return signedBy(secrets, [await keyDigest(read.token)], keyDigest);
  },

  signedId(payload) {
    const { update_id: id } = objectOf(payload);
    return Number.isSafeInteger(id) ? String(id) : null;
  },

  // An update has one object beside its number, named after its kind. A button's message is the bot's own: only who pressed it counts.
  isBot(payload) {
    const made = Object.values(objectOf(payload)).filter(isRecord);
    return made.some(({ from, via_bot: via }) => objectOf(from)["is_bot"] === true || isRecord(via));
  },

  // A body with `method` would be taken for a call of the Bot API; ours has none.
};
