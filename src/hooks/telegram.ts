// Telegram signs nothing: it sends the secret itself in a header. Only TLS protects the body and the time, and only the update's number
// identifies a repeated event.
import { keyDigest } from "../core/callers/credential.ts";
import { isRecord, objectOf } from "../core/lib/json.ts";
import { DEFAULTS, type Sender } from "./sender.ts";
import { readHeaders, verifySignature } from "./verify.ts";

const TOKEN = /^[A-Za-z0-9_-]{1,256}$/;

export const telegram = {
  ...DEFAULTS,
  title: "Telegram",
  docs: "https://core.telegram.org/bots/api#setwebhook",
  secretForm: { pattern: TOKEN, must: "the secret_token given to setWebhook: 1 to 256 of A-Z, a-z, 0-9, _ and -" },

  async verify({ headers, secrets }) {
    const values = readHeaders(headers, { token: ["x-telegram-bot-api-secret-token", TOKEN] });
    if ("rejected" in values) return values;
    // All digests have the same length, so the comparison does not reveal the length of the secret.
    return verifySignature(secrets, [await keyDigest(values.token)], keyDigest);
  },

  signedId(payload) {
    const { update_id: id } = objectOf(payload);
    return Number.isSafeInteger(id) ? String(id) : null;
  },

  // Besides its number, an update has one object, named after the update's kind. A pressed button belongs to a message of our own bot, so
  // only the person who pressed the button counts.
  isBot(payload) {
    const objects = Object.values(objectOf(payload)).filter(isRecord);
    return objects.some(({ from, via_bot: via }) => objectOf(from)["is_bot"] === true || isRecord(via));
  },

  // Telegram would run a response body that has `method` as a call of the Bot API. The default acknowledgement has no such field.
} satisfies Sender;
