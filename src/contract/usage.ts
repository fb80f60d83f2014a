// What GET /usage returns. The Worker imports only the types; /openapi.json is generated from the schemas.
import * as z from "zod/mini";

export const UsageSums = z.object({
  requests: z.int(),
  hits: z.int().check(z.describe("Requests that were answered from the cache.")),
  tokens: z.int(),
  cost_usd: z.number(),
  reserved_tokens: z
    .int()
    .check(z.describe("The part of `tokens` that is held for calls that are in progress or were lost.")),
});
export type UsageSums = z.infer<typeof UsageSums>;

export const UsageDay = z.object({ date: z.iso.date().check(z.describe("A UTC day.")), ...UsageSums.shape });
export type UsageDay = z.infer<typeof UsageDay>;

export const UsageLimits = z.object({
  requests_per_minute: z.optional(z.number()),
  requests: z.optional(z.number()).check(z.describe("The limit of this request's session token, over its lifetime.")),
  tokens_per_day: z.optional(z.number()),
  usd_per_day: z.optional(z.number()),
});
export type UsageLimits = z.infer<typeof UsageLimits>;

/** The body of GET /usage. */
export const UsageReport = z
  .object({
    today: UsageDay,
    days: z.array(UsageDay).check(z.describe("The last 30 days, including today. Days without requests are omitted.")),
    total: UsageSums.check(z.describe("The sum of `days`.")),
    limits: UsageLimits,
    left: UsageLimits.check(z.describe("What remains of each limit. Reserved tokens count as used.")),
  })
  .check(z.describe("What the caller has used."));
export type UsageReport = z.infer<typeof UsageReport>;
