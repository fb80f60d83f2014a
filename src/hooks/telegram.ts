// Telegram signs nothing: it sends the secret itself in a header. Only TLS protects the body, and no time is checked. Only the update's
// number identifies a repeated event.
import { keyDigest } from "../core/callers/credential.ts";
import { isRecord, type JsonObject, objectOf } from "../core/lib/json.ts";
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
    return objects.some((object) => isRecord(object["via_bot"]) || isFromBot(object));
  },

  // Telegram would run a response body that has `method` as a call of the Bot API. The default acknowledgement has no such field.
} satisfies Sender;

/**
 * The accounts that `from` names when a person writes as a chat: an anonymous admin as the group, or anyone as a channel. For old bots,
 * these accounts have `is_bot`. `sender_chat` names the chat.
 */
const STAND_INS: ReadonlySet<unknown> = new Set([1_087_968_824, "GroupAnonymousBot", 136_817_688, "Channel_Bot"]);

function isFromBot({ from, sender_chat: chat }: JsonObject): boolean {
  const { id, username, is_bot: isBot } = objectOf(from);
  return isBot === true && !(isRecord(chat) && (STAND_INS.has(id) || STAND_INS.has(username)));
}
