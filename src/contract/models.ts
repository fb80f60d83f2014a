// What GET /v1/models returns.
import * as z from "zod/mini";

export const ModelList = z
  .object({
    object: z.literal("list"),
    data: z.array(
      z.looseObject({
        id: z.string(),
        object: z.optional(z.string()),
        owned_by: z.optional(z.nullable(z.string())),
        shutdown_date: z.optional(z.nullable(z.string())),
      }),
    ),
  })
  .check(
    z.describe(
      'Values for `model`. A preset has `owned_by: "preset"`; UniAPI returns null for an unknown owner. `shutdown_date` (YYYY-MM-DD) is the day on which a model ends, if its provider has announced one.',
    ),
  );
export type ModelList = z.infer<typeof ModelList>;
