// The two bodies that POST /sessions accepts, and the token that it returns.
import * as z from "zod/mini";

const ShortText = z.string().check(z.minLength(1), z.maxLength(255));
const PositiveInt = z.int().check(z.gte(1));

/** The body that a backend with a server key sends. */
export const SessionRequest = z.strictObject({
  sub: ShortText.check(z.describe("Your own id of the user. The same `sub` always owns the same conversations.")),
  presets: z
    .optional(z.array(z.string()).check(z.minLength(1)))
    .check(
      z.describe("The presets that this session may use. Default: all presets that the config grants to sessions."),
    ),
  ttl: z._default(z.int().check(z.gte(10), z.lte(7_200)), 600).check(z.describe("Seconds until the token expires.")),
  origin: z.optional(ShortText).check(z.describe("The only origin whose pages may use the token.")),
  max_output_tokens: z.optional(PositiveInt).check(z.describe("A limit on the `max_output_tokens` of one request.")),
  requests: z.optional(PositiveInt).check(z.describe("How many requests the token may make.")),
  tokens_per_day: z
    .optional(PositiveInt)
    .check(z.describe("A daily limit for this session, if it is below the config's.")),
});
export type SessionRequest = z.output<typeof SessionRequest>;

/** The body that a page of an allowed origin sends, without a credential. */
export const TurnstileExchange = z.strictObject({
  turnstile: z
    .string()
    .check(z.minLength(1), z.maxLength(4_096))
    .check(
      z.describe(
        "The token of a solved Turnstile widget. The page must have an allowed origin and send no credential.",
      ),
    ),
  renew: z
    .optional(z.string().check(z.minLength(1)))
    .check(
      z.describe(
        "An earlier token from this route, valid or expired for at most 30 days. The new session then belongs to the same user.",
      ),
    ),
});
export type TurnstileExchange = z.output<typeof TurnstileExchange>;

export const SessionToken = z.object({
  token: z.string().check(z.describe("A session token, for `Authorization: Bearer …`.")),
  expires_at: z.int().check(z.describe("Unix seconds.")),
});
export type SessionToken = z.infer<typeof SessionToken>;
