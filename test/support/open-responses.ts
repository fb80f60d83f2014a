// The schemas of the Open Responses specification for a response and for the events of its stream, written from its text: which keys are
// required, and their types and enums. Keys that the specification does not name are allowed.
import * as z from "zod/mini";

const Index = z.int();
const ItemStatus = z.enum(["in_progress", "completed", "incomplete"]);

const UrlCitation = z.looseObject({
  type: z.literal("url_citation"),
  url: z.string(),
  start_index: Index,
  end_index: Index,
  title: z.string(),
});
const TopLogProb = z.looseObject({ token: z.string(), logprob: z.number(), bytes: z.array(z.int()) });
const LogProbs = z.array(z.looseObject({ ...TopLogProb.shape, top_logprobs: z.array(TopLogProb) }));

const Part = z.discriminatedUnion("type", [
  z.looseObject({ type: z.literal("input_text"), text: z.string() }),
  z.looseObject({
    type: z.literal("output_text"),
    text: z.string(),
    annotations: z.array(UrlCitation),
    logprobs: z.optional(LogProbs),
  }),
  z.looseObject({ type: z.literal("text"), text: z.string() }),
  z.looseObject({ type: z.literal("summary_text"), text: z.string() }),
  z.looseObject({ type: z.literal("reasoning_text"), text: z.string() }),
  z.looseObject({ type: z.literal("refusal"), refusal: z.string() }),
  z.looseObject({
    type: z.literal("input_image"),
    image_url: z.nullable(z.string()),
    detail: z.enum(["low", "high", "auto"]),
  }),
  z.looseObject({
    type: z.literal("input_file"),
    filename: z.optional(z.string()),
    file_url: z.optional(z.string()),
  }),
  z.looseObject({ type: z.literal("input_video"), video_url: z.string() }),
]);

/** An item of a response's output or of its input. */
export const Item = z.discriminatedUnion("type", [
  z.looseObject({
    type: z.literal("message"),
    id: z.string(),
    status: ItemStatus,
    role: z.enum(["user", "assistant", "system", "developer"]),
    content: z.array(Part),
    phase: z.optional(z.enum(["commentary", "final_answer"])),
  }),
  z.looseObject({
    type: z.literal("function_call"),
    id: z.string(),
    call_id: z.string(),
    name: z.string(),
    arguments: z.string(),
    status: ItemStatus,
  }),
  z.looseObject({
    type: z.literal("function_call_output"),
    id: z.string(),
    call_id: z.string(),
    output: z.union([z.string(), z.array(Part)]),
    status: ItemStatus,
  }),
  z.looseObject({
    type: z.literal("reasoning"),
    id: z.string(),
    content: z.optional(z.array(Part)),
    summary: z.array(Part),
    encrypted_content: z.optional(z.string()),
  }),
  z.looseObject({
    type: z.literal("compaction"),
    id: z.string(),
    encrypted_content: z.string(),
    created_by: z.optional(z.string()),
  }),
]);

const FunctionTool = z.looseObject({
  type: z.literal("function"),
  name: z.string(),
  description: z.nullable(z.string()),
  parameters: z.nullable(z.record(z.string(), z.unknown())),
  strict: z.nullable(z.boolean()),
});
const FunctionChoice = z.looseObject({ type: z.literal("function"), name: z.optional(z.string()) });
const ToolChoiceValue = z.enum(["none", "auto", "required"]);

const TextFormat = z.discriminatedUnion("type", [
  z.looseObject({ type: z.literal("text") }),
  z.looseObject({ type: z.literal("json_object") }),
  z.looseObject({
    type: z.literal("json_schema"),
    name: z.string(),
    description: z.nullable(z.string()),
    schema: z.nullable(z.record(z.string(), z.unknown())),
    strict: z.boolean(),
  }),
]);

const Usage = z.looseObject({
  input_tokens: z.int(),
  output_tokens: z.int(),
  total_tokens: z.int(),
  // The specification has only cached_tokens; the OpenAI SDK's type requires both.
  input_tokens_details: z.looseObject({ cached_tokens: z.int(), cache_write_tokens: z.int() }),
  output_tokens_details: z.looseObject({ reasoning_tokens: z.int() }),
});

/** The response object. */
export const ResponseResource = z.looseObject({
  id: z.string(),
  object: z.literal("response"),
  created_at: z.int(),
  completed_at: z.nullable(z.int()),
  status: z.string(),
  incomplete_details: z.nullable(z.looseObject({ reason: z.string() })),
  model: z.string(),
  previous_response_id: z.nullable(z.string()),
  // The OpenAI SDK's type also has a list of items.
  instructions: z.nullable(z.union([z.string(), z.array(z.unknown())])),
  output: z.array(Item),
  error: z.nullable(z.looseObject({ code: z.string(), message: z.string() })),
  tools: z.array(FunctionTool),
  tool_choice: z.union([
    FunctionChoice,
    ToolChoiceValue,
    z.looseObject({ type: z.literal("allowed_tools"), tools: z.array(FunctionChoice), mode: ToolChoiceValue }),
  ]),
  truncation: z.enum(["auto", "disabled"]),
  parallel_tool_calls: z.boolean(),
  text: z.looseObject({ format: TextFormat, verbosity: z.optional(z.enum(["low", "medium", "high"])) }),
  top_p: z.number(),
  presence_penalty: z.number(),
  frequency_penalty: z.number(),
  top_logprobs: z.int(),
  temperature: z.number(),
  reasoning: z.nullable(
    z.looseObject({
      effort: z.nullable(z.enum(["none", "minimal", "low", "medium", "high", "xhigh"])),
      summary: z.nullable(z.enum(["concise", "detailed", "auto"])),
    }),
  ),
  usage: z.nullable(Usage),
  max_output_tokens: z.nullable(z.int()),
  max_tool_calls: z.nullable(z.int()),
  store: z.boolean(),
  background: z.boolean(),
  service_tier: z.string(),
  metadata: z.record(z.string(), z.string()),
  safety_identifier: z.nullable(z.string()),
  prompt_cache_key: z.nullable(z.string()),
  // Required by an earlier version of the specification.
  user: z.nullable(z.string()),
});

const response = { response: ResponseResource };
const item = { output_index: Index, item: z.nullable(Item) };
const at = { item_id: z.string(), output_index: Index };
const inContent = { ...at, content_index: Index };
const inSummary = { ...at, summary_index: Index };
const delta = { delta: z.string(), logprobs: z.optional(LogProbs), obfuscation: z.optional(z.string()) };
const text = { text: z.string(), logprobs: z.optional(LogProbs) };

/** The keys that each event requires, besides `type` and `sequence_number`. */
const EVENTS: Record<string, Record<string, z.ZodMiniType>> = {
  "response.created": response,
  "response.queued": response,
  "response.in_progress": response,
  "response.completed": response,
  "response.failed": response,
  "response.incomplete": response,
  "response.output_item.added": item,
  "response.output_item.done": item,
  "response.content_part.added": { ...inContent, part: Part },
  "response.content_part.done": { ...inContent, part: Part },
  "response.output_text.delta": { ...inContent, ...delta },
  "response.output_text.done": { ...inContent, ...text },
  "response.output_text.annotation.added": {
    ...inContent,
    annotation_index: Index,
    annotation: z.nullable(UrlCitation),
  },
  "response.refusal.delta": { ...inContent, ...delta },
  "response.refusal.done": { ...inContent, refusal: z.string() },
  "response.reasoning.delta": { ...inContent, ...delta },
  "response.reasoning.done": { ...inContent, ...text },
  "response.reasoning_summary_part.added": { ...inSummary, part: Part },
  "response.reasoning_summary_part.done": { ...inSummary, part: Part },
  "response.reasoning_summary_text.delta": { ...inSummary, ...delta },
  "response.reasoning_summary_text.done": { ...inSummary, ...text },
  "response.function_call_arguments.delta": { ...at, ...delta },
  "response.function_call_arguments.done": { ...at, arguments: z.string() },
  error: {
    error: z.looseObject({
      type: z.string(),
      code: z.nullable(z.string()),
      message: z.string(),
      param: z.nullable(z.string()),
    }),
  },
};

/** Describes what is wrong: one line per mistake, with its place. */
export function mistakesIn(schema: z.ZodMiniType, value: unknown): string[] {
  const { error } = schema.safeParse(value);
  return (error?.issues ?? []).map(({ path, message }) => `${path.map(String).join(".")}: ${message}`);
}

/** Describes what is wrong in the events of a stream. */
export function mistakesInEvents(events: readonly { type?: unknown }[]): string[] {
  return events.flatMap((event) => {
    const keys = EVENTS[String(event.type)];
    if (keys === undefined) return [`${String(event.type)}: an event that the specification does not name`];
    const schema = z.looseObject({ sequence_number: Index, ...keys });
    return mistakesIn(schema, event).map((mistake) => `${String(event.type)} ${mistake}`);
  });
}
