// The one table of webhook senders. The config's schema, /openapi.json, `npm run send-hook`, docs/senders and the tests follow it: each
// of them fails to compile, or fails a test that names the sender, while its part is missing.
import type { Hook, SenderName } from "../core/config/config-schema.ts";
import { github } from "./github.ts";
import { hmac } from "./hmac.ts";
import type { Sender } from "./sender.ts";
import { slack } from "./slack.ts";
import { standard } from "./standard.ts";
import { stripe } from "./stripe.ts";
import { telegram } from "./telegram.ts";

/** By the `scheme` of a hook. */
export const SENDERS: Record<SenderName, Sender> = { standard, github, stripe, slack, telegram, hmac };

export function senderOf(hook: Hook): Sender {
  return SENDERS[hook.scheme];
}
