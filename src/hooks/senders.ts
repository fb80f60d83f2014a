// The one table of webhook senders. The config's schema, /openapi.json, `npm run send-hook`, docs/senders and the tests follow this table.
// If one of them lacks the part for a sender, either it does not compile, or a test fails and names the sender.
import type { Hook, SenderName } from "../core/config/config-schema.ts";
import { github } from "./github.ts";
import { hmac } from "./hmac.ts";
import type { Sender } from "./sender.ts";
import { slack } from "./slack.ts";
import { standard } from "./standard.ts";
import { stripe } from "./stripe.ts";
import { telegram } from "./telegram.ts";

/** Senders by the `scheme` of a hook. */
export const SENDERS: Record<SenderName, Sender> = { standard, github, stripe, slack, telegram, hmac };

export function senderOf(hook: Hook): Sender {
  return SENDERS[hook.scheme];
}
