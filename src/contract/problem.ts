// The body of every error (docs/contract.md §8). The Worker imports only the type; /openapi.json is generated from the schema.
import * as z from "zod/mini";

/** All values are strings, since one SDK hides errors whose code or param is null. */
export const ProblemBody = z
  .object({
    error: z.object({
      message: z
        .string()
        .check(z.describe("What is wrong and what to do about it. Meant for people: the wording may change.")),
      type: z.string().check(z.describe("The type that OpenAI's SDKs expect for the status.")),
      code: z.string().check(z.describe("The reason, for programs to compare.")),
      param: z.string().check(z.describe("The field of the request that is wrong; empty if no field is.")),
      detail_code: z.optional(
        z
          .string()
          .check(
            z.describe("Only on OpenAI's routes, where `code` is OpenAI's: the reason as every other route names it."),
          ),
      ),
      request_id: z.string().check(z.describe("Also in the header `x-request-id`. Quote it when you ask for help.")),
    }),
  })
  .check(z.describe("Every error has this form, on every route."));
export type ProblemBody = z.infer<typeof ProblemBody>;
