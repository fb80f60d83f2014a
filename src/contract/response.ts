// What /v1/responses returns: the response object, the events of its stream, and its input items. The schemas require the keys that the
// Open Responses specification requires and allow any others, since upstream adds its own. The Worker imports only types and DEFAULTS.
import * as z from "zod/mini";

/** An object whose keys the Worker does not check. */
const JsonObject = z.record(z.string(), z.unknown());

/** Keys that the Worker adds if upstream omits them, with the values in DEFAULTS. */
export const DefaultedFields = z.looseObject({
  object: z.literal("response"),
  completed_at: z.nullable(z.int().check(z.describe("Unix seconds."))),
  error: z.nullable(z.looseObject({ code: z.string(), message: z.string() })),
  incomplete_details: z.nullable(z.looseObject({ reason: z.string() })),
  instructions: z
    .nullable(z.union([z.string(), z.array(z.unknown())]))
    .check(z.describe("The caller's own instructions. Those of a preset are never shown.")),
  max_output_tokens: z.nullable(z.int()),
  max_tool_calls: z.nullable(z.int()),
  parallel_tool_calls: z.boolean(),
  temperature: z.number(),
  top_p: z.number(),
  presence_penalty: z.number(),
  frequency_penalty: z.number(),
  top_logprobs: z.int(),
  reasoning: z.nullable(z.looseObject({ effort: z.nullable(z.string()), summary: z.nullable(z.string()) })),
  service_tier: z.string(),
  store: z.boolean(),
  background: z.boolean(),
  truncation: z.string(),
  tool_choice: z.union([z.string(), JsonObject]),
  tools: z
    .array(JsonObject)
    .check(z.describe("A function tool always has `name`, `description`, `parameters` and `strict`; null if not set.")),
  text: z.looseObject({ format: z.looseObject({ type: z.string() }) }),
  metadata: z.record(z.string(), z.string()),
  user: z.nullable(z.string()),
  safety_identifier: z.nullable(z.string()),
  prompt_cache_key: z.nullable(z.string()),
});
export type DefaultedFields = z.infer<typeof DefaultedFields>;

export const ResponseObject = z
  .looseObject({
    id: z.string().check(z.describe("This Worker's signed id: send it as `previous_response_id` to continue.")),
    ...DefaultedFields.shape,
    created_at: z.int().check(z.describe("Unix seconds.")),
    status: z.string(),
    model: z.string(),
    previous_response_id: z.nullable(z.string()),
    output: z.array(z.looseObject({ type: z.optional(z.string()) })),
    output_text: z.string().check(z.describe("The text of all messages, joined as the SDKs do.")),
    usage: z.nullable(
      z.looseObject({
        input_tokens: z.int(),
        input_tokens_details: z.looseObject({ cached_tokens: z.int(), cache_write_tokens: z.int() }),
        output_tokens: z.int(),
        output_tokens_details: z.looseObject({ reasoning_tokens: z.int() }),
        total_tokens: z.int(),
      }),
    ),
  })
  .check(z.describe("The Responses object, with every key that the Open Responses specification requires."));
export type ResponseObject = z.infer<typeof ResponseObject>;

/** One stream event of POST /v1/responses. */
export const ResponseEvent = z
  .looseObject({ type: z.string(), sequence_number: z.int() })
  .check(
    z.describe("As in the Responses API: `response.created`, `response.output_text.delta` … `response.completed`."),
  );

/** The values that OpenAI returns if the request does not set these fields. */
export const DEFAULTS: Record<string, unknown> = {
  object: "response",
  completed_at: null,
  error: null,
  incomplete_details: null,
  instructions: null,
  max_output_tokens: null,
  max_tool_calls: null,
  parallel_tool_calls: true,
  temperature: 1,
  top_p: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
  top_logprobs: 0,
  reasoning: null,
  service_tier: "default",
  store: true,
  background: false,
  truncation: "disabled",
  tool_choice: "auto",
  tools: [],
  text: { format: { type: "text" } },
  metadata: {},
  user: null,
  safety_identifier: null,
  prompt_cache_key: null,
} satisfies DefaultedFields;

/** The body of DELETE /v1/responses/{id}. */
export const DeletedResponse = z.object({ id: z.string(), object: z.literal("response"), deleted: z.literal(true) });
export type DeletedResponse = z.infer<typeof DeletedResponse>;

/** The body of GET /v1/responses/{id}/input_items: one page of a list, in OpenAI's format. */
export const InputItems = z.object({
  object: z.literal("list"),
  data: z.array(z.looseObject({ id: z.string(), type: z.string() })),
  first_id: z.nullable(z.string()),
  last_id: z.nullable(z.string()),
  has_more: z.boolean(),
});
export type InputItems = z.infer<typeof InputItems>;
