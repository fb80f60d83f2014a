// What the smaller routes give back (models, sessions, health, and by id under /v1/responses), once: the types that the code is held
// to and the schemas that /openapi.json is made of. The Worker imports the types alone.
import * as z from "zod/mini";

/** The body of GET /v1/models: presets as we describe them, and upstream's models as it does. */
export const ModelList = z
  .object({
    object: z.literal("list"),
    data: z.array(z.looseObject({ id: z.string(), object: z.optional(z.string()), owned_by: z.optional(z.nullable(z.string())) })),
  })
  .check(z.describe('What may stand in `model`. Presets are `owned_by: "preset"`; UniAPI has null for owners that it does not know.'));
export type ModelList = z.infer<typeof ModelList>;

/** The body of a 201 of POST /sessions. */
export const SessionToken = z.object({
  token: z.string().check(z.describe("A session token, for `Authorization: Bearer …`.")),
  expires_at: z.int().check(z.describe("Unix seconds.")),
});
export type SessionToken = z.infer<typeof SessionToken>;

/** The body of GET /health. */
export const Health = z.object({ status: z.enum(["ok", "paused"]).check(z.describe("`paused`: its owner has stopped all paid routes.")) });
export type Health = z.infer<typeof Health>;

/** The body of DELETE /v1/responses/{id}. */
export const DeletedResponse = z.object({ id: z.string(), object: z.literal("response"), deleted: z.literal(true) });
export type DeletedResponse = z.infer<typeof DeletedResponse>;

/** The body of GET /v1/responses/{id}/input_items. */
export const InputItems = z.object({
  object: z.literal("list"),
  data: z.array(z.looseObject({ id: z.string(), type: z.unknown() })),
  first_id: z.nullable(z.string()),
  last_id: z.nullable(z.string()),
  has_more: z.boolean(),
});
export type InputItems = z.infer<typeof InputItems>;
