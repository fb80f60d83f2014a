// POST /sessions: what may be sent, and the token that comes back.
import * as z from "zod/mini";

export const Text = z.string().check(z.minLength(1), z.maxLength(255));

export const Count = z.int().check(z.gte(1));

export const SessionRequest = z.strictObject({
  sub: Text,
  presets: z.optional(z.array(z.string()).check(z.minLength(1))),
  ttl: z._default(z.int().check(z.gte(10), z.lte(7_200)), 600),
  origin: z.optional(Text),
  max_output_tokens: z.optional(Count),
  requests: z.optional(Count),
  tokens_per_day: z.optional(Count),
});

export type SessionRequest = z.output<typeof SessionRequest>;

export const TurnstileExchange = z.strictObject({
  turnstile: z.string().check(z.minLength(1), z.maxLength(4_096)),
  renew: z.optional(z.string().check(z.minLength(1))),
});

export type TurnstileExchange = z.output<typeof TurnstileExchange>;

export const SessionToken = z.object({
  token: z.string().check(z.describe("A session token, for `Authorization: Bearer …`.")),
  expires_at: z.int().check(z.describe("Unix seconds.")),
});

export type SessionToken = z.infer<typeof SessionToken>;
