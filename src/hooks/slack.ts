// Slack signs events, slash commands and interactions in the same way. The signed string consists of a version, the time and the body.
import { hexOf } from "../core/lib/bytes.ts";
import { hmacSha256 } from "../core/lib/hmac.ts";
import { isRecord, type JsonObject, objectOf, recordsOf, textOf } from "../core/lib/json.ts";
import { DEFAULTS, type HookResponse, type Sender } from "./sender.ts";
import { checkTimestamp, readHeaders, UNIX_TIME, verifySignature } from "./verify.ts";

const EMPTY: HookResponse = { status: 200, headers: {}, body: "" };

export const slack = {
  ...DEFAULTS,
  title: "Slack",
  docs: "https://docs.slack.dev/authentication/verifying-requests-from-slack",

  async verify({ raw, headers, now, secrets }) {
    const values = readHeaders(headers, {
      time: ["x-slack-request-timestamp", UNIX_TIME],
      signature: ["x-slack-signature", /^v0=[0-9a-f]{64}$/],
    });
    if ("rejected" in values) return values;
    const sign = async (secret: string) => `v0=${hexOf(await hmacSha256(secret, `v0:${values.time}:`, raw))}`;
    return checkTimestamp(values.time, now) ?? (await verifySignature(secrets, [values.signature], sign));
  },

  handshake(payload) {
    const { type, challenge, ssl_check: sslCheck } = objectOf(payload);
    if (type === "url_verification" && typeof challenge === "string") {
      return { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify({ challenge }) };
    }
    // From time to time Slack requests a command's URL only to check its certificate.
    return sslCheck === "1" ? EMPTY : null;
  },

  // Commands and interactions share no id field. Their trigger_id and response_url make each body unique.
  signedId: (payload) => textOf(objectOf(payload)["event_id"]) || null,

  isBot(payload) {
    const { event: inner, authorizations, api_app_id: app } = objectOf(payload);
    const event = objectOf(inner);
    // The event of an edit or a deletion contains the message that was edited or deleted.
    if ([event, objectOf(event["message"]), objectOf(event["previous_message"])].some(isBotMessage)) return true;
    if (app !== undefined && event["app_id"] === app) return true;
    // Our own bot user can also cause an event without a message, such as a reaction.
    return recordsOf(authorizations).some(
      ({ is_bot: bot, user_id: user }) => bot === true && user !== undefined && user === event["user"],
    );
  },

  // For an event, any 2xx is a success. Commands and interactions need 200 and an empty body, since Slack would show the body of the
  // response to the user who sent the command (docs.slack.dev: Slash commands, Handling user interaction).
  acknowledge: (result, payload) =>
    objectOf(payload)["type"] === "event_callback" ? DEFAULTS.acknowledge(result) : EMPTY,
} satisfies Sender;

function isBotMessage(message: JsonObject): boolean {
  return textOf(message["bot_id"]) !== "" || message["subtype"] === "bot_message" || isRecord(message["bot_profile"]);
}
