// The body of every error (contract section 8), once: its type, and the schema that /openapi.json is made of. The Worker imports the
// type alone.
import * as z from "zod/mini";

/** All strings, since one SDK hides errors whose code or param is null. */
export const ProblemBody = z
  .object({
    error: z.object({
      message: z.string().check(z.describe("What is wrong and what to do about it. For people: it may change.")),
      type: z.string().check(z.describe("As OpenAI's SDKs know it.")),
      code: z.string().check(z.describe("For programs.")),
      param: z
        .string()
        .check(z.describe("The field of the request that is wrong; empty where it is no field's fault.")),
      request_id: z.string().check(z.describe("Also in the header `x-request-id`. Quote it when you ask for help.")),
    }),
  })
  .check(z.describe("Every error has this form, on every route."));
export type ProblemBody = z.infer<typeof ProblemBody>;
