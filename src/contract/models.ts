// GET /v1/models.
import * as z from "zod/mini";

export const ModelList = z
  .object({
    object: z.literal("list"),
    data: z.array(
      z.looseObject({ id: z.string(), object: z.optional(z.string()), owned_by: z.optional(z.nullable(z.string())) }),
    ),
  })
  .check(
    z.describe(
      'What may stand in `model`. Presets are `owned_by: "preset"`; UniAPI has null for owners that it does not know.',
    ),
  );

export type ModelList = z.infer<typeof ModelList>;
