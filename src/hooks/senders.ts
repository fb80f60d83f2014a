// The one table of webhook senders. The config's schema, /openapi.json, `npm run send-hook`, docs/senders and the tests follow this table.
// While the part for a sender is missing from one of them, that one does not compile, or a test that names the sender fails.
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
