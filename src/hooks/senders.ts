// The list of webhook schemes, each of which is a file in hooks/.
import type { Hook } from "../core/config/config-schema.ts";
import type { Scheme } from "./scheme.ts";
import { github } from "./github.ts";
import { hmac } from "./hmac.ts";
import { slack } from "./slack.ts";
import { standard } from "./standard.ts";
import { stripe } from "./stripe.ts";
import { telegram } from "./telegram.ts";

const SCHEMES: Record<Exclude<Hook["scheme"], "hmac">, Scheme> = { standard, github, stripe, slack, telegram };

export function schemeOf(hook: Hook): Scheme {
  return hook.scheme === "hmac" ? hmac(hook) : SCHEMES[hook.scheme];
}
