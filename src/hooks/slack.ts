// Slack ("Verifying requests from Slack"): events, slash commands and interactions, all signed alike: version, time and body.
import { isRecord, type JsonObject, objectOf, partsOf, textOf } from "../core/lib/json.ts";
import { hexOf } from "../core/lib/encoding.ts";
import { PLAIN, readHeaders, type Reply, type Scheme, signedBy, UNIX_TIME, checkTimestamp } from "./scheme.ts";
import { hmacSha256 } from "../core/lib/hmac.ts";

const EMPTY: Reply = { status: 200, headers: {}, body: "" };

export const slack: Scheme = {
  ...PLAIN,

  async verify({ raw, headers, now, secrets }) {
    const read = readHeaders(headers, {
      time: ["x-slack-request-timestamp", UNIX_TIME],
      signature: ["x-slack-signature", /^v0=[0-9a-f]{64}$/],
    });
    if ("rejected" in read) return read;
    const late = checkTimestamp(read.time, now);
    return (
      late ??
      signedBy(
        secrets,
        [read.signature],
        async (secret) => `v0=${hexOf(await hmacSha256(secret, `v0:${read.time}:`, raw))}`,
      )
    );
  },

  handshake(payload) {
    const { type, challenge, ssl_check: sslCheck } = objectOf(payload);
    if (type === "url_verification" && typeof challenge === "string") {
      return { status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify({ challenge }) };
    }
    // Now and then Slack asks a command's URL for nothing but its certificate.
    return sslCheck === "1" ? EMPTY : null;
  },

  // Commands and interactions have no id that all of them carry; their trigger_id and response_url make each body one of its kind.
  signedId: (payload) => textOf(objectOf(payload)["event_id"]) || null,

  isBot(payload) {
    const { event: made, authorizations, api_app_id: app } = objectOf(payload);
    const event = objectOf(made);
    // An edit or a deletion carries the message that it is about.
    if ([event, objectOf(event["message"]), objectOf(event["previous_message"])].some(isByBot)) return true;
    if (app !== undefined && event["app_id"] === app) return true;
    // What our own bot user does without posting, like a reaction.
    return partsOf(authorizations).some(
      ({ is_bot: bot, user_id: user }) => bot === true && user !== undefined && user === event["user"],
    );
  },

  // "Respond with 200 OK": an event takes any 2xx, but for commands and interactions it must be 200, and a command would show the body
  // to its user (docs.slack.dev: Slash commands, Handling user interaction).
  acknowledge: (result, payload) =>
    objectOf(payload)["type"] === "event_callback" ? PLAIN.acknowledge(result) : EMPTY,
};

function isByBot(message: JsonObject): boolean {
  return textOf(message["bot_id"]) !== "" || message["subtype"] === "bot_message" || isRecord(message["bot_profile"]);
}
