// What GET /v1/models and GET /v1/models/{id} return.
import * as z from "zod/mini";

export const Model = z
  .looseObject({
    id: z.string(),
    object: z.optional(z.string()),
    owned_by: z.optional(z.nullable(z.string())),
    shutdown_date: z.optional(z.nullable(z.string())),
  })
  .check(
    z.describe(
      'A value for `model`. A preset has `owned_by: "preset"`; UniAPI returns null for an unknown owner. `shutdown_date` (YYYY-MM-DD) is the day on which a model ends, if its provider has announced one.',
    ),
  );
export type Model = z.infer<typeof Model>;

export const ModelList = z
  .object({ object: z.literal("list"), data: z.array(Model) })
  .check(z.describe("The values that `model` may have."));
export type ModelList = z.infer<typeof ModelList>;
