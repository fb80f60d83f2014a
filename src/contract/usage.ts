// What GET /usage gives back, once: the type that the code is held to and the schema that /openapi.json is made of. The Worker imports
// the type alone.
import * as z from "zod/mini";

export const UsageSums = z.object({
  requests: z.int(),
  hits: z.int().check(z.describe("Answered from the cache.")),
  tokens: z.int(),
  cost_usd: z.number(),
  reserved_tokens: z
    .int()
    .check(z.describe("The part of `tokens` that calls under way hold, or calls that were lost.")),
});
export type UsageSums = z.infer<typeof UsageSums>;

export const UsageDay = z.object({ date: z.iso.date().check(z.describe("UTC.")), ...UsageSums.shape });
export type UsageDay = z.infer<typeof UsageDay>;

export const UsageLimits = z.object({
  requests_per_minute: z.optional(z.number()),
  requests: z.optional(z.number()).check(z.describe("Of the session token that asks, over its whole life.")),
  tokens_per_day: z.optional(z.number()),
  usd_per_day: z.optional(z.number()),
});
export type UsageLimits = z.infer<typeof UsageLimits>;

/** The body of GET /usage. */
export const UsageReport = z
  .object({
    today: UsageDay,
    days: z.array(UsageDay).check(z.describe("Of the last 30 days, today included, those with requests.")),
    total: UsageSums.check(z.describe("Of `days`.")),
    limits: UsageLimits,
    left: UsageLimits.check(z.describe("What is left of each limit. What is reserved counts as used.")),
  })
  .check(z.describe("What the caller that asks has used."));
export type UsageReport = z.infer<typeof UsageReport>;
