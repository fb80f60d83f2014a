// What POST /ask returns: the answer, and the events of a stream. The Worker, the client and the console take their types from these
// schemas, and /openapi.json is generated from them. The Worker imports only the types, because it does not check its own answers.
import * as z from "zod/mini";
import { ProblemBody } from "./problem.ts";

export const Usage = z
  .object({
    input_tokens: z.int(),
    cached_tokens: z.int(),
    output_tokens: z.int(),
    reasoning_tokens: z.int(),
    total_tokens: z.int(),
  })
  .check(z.describe("The tokens that UniAPI counted."));
export type Usage = z.infer<typeof Usage>;

export const ToolCall = z
  .object({
    call_id: z.string(),
    name: z.string(),
    arguments: z.string().check(z.describe("JSON as the model wrote it; it may be invalid.")),
  })
  .check(
    z.describe("A function call. Execute it, and send its result as a `function_call_output` item in a follow-up."),
  );
export type ToolCall = z.infer<typeof ToolCall>;

export const Answer = z
  .object({
    id: z
      .string()
      .check(z.describe("Send it as `previous_response_id` to continue. It is signed: no other caller can use it.")),
    previous_response_id: z.nullable(z.string()).check(z.describe("The id that was continued.")),
    created_at: z.int().check(z.describe("Unix seconds.")),
    model: z.string().check(z.describe("The model that answered, as UniAPI names it.")),
    status: z.string().check(z.describe("`completed`, `incomplete` …")),
    text: z.string().check(z.describe("The complete text.")),
    usage: z.nullable(Usage),
    data: z
      .exactOptional(z.unknown())
      .check(z.describe("The text as JSON, if a JSON format was requested and the text is JSON.")),
    refusal: z.exactOptional(z.string()).check(z.describe("The model's words, if it refused.")),
    tool_calls: z.exactOptional(z.array(ToolCall)),
    citations: z
      .exactOptional(z.array(z.record(z.string(), z.unknown())))
      .check(
        z.describe(
          "Sources: `type`, `url`, `title` … as in the Responses API; `start_index` and `end_index` are offsets in `text`.",
        ),
      ),
    reasoning_summary: z.exactOptional(z.string()).check(z.describe("Present if `reasoning.summary` was requested.")),
    incomplete_reason: z
      .exactOptional(z.string())
      .check(z.describe("Why `status` is `incomplete`, for example `max_output_tokens`.")),
    metadata: z
      .exactOptional(z.record(z.string(), z.string()))
      .check(z.describe("The request's own `metadata`, unchanged.")),
    cost_usd: z
      .exactOptional(z.number())
      .check(z.describe("What the tokens cost, if the config has a price for the model.")),
    cached: z.exactOptional(z.literal(true)).check(z.describe("The answer of an earlier call, read from the cache.")),
  })
  .check(z.describe("A trimmed answer. The keys after `usage` are present only if they have a value."));
export type Answer = z.infer<typeof Answer>;

/** The body of GET /ask/{id}?thread=true. */
export const Thread = z
  .object({
    turns: z.array(
      z.object({
        input: z.unknown().check(z.describe("The question as it was sent: a string, or a list of items.")),
        answer: Answer,
      }),
    ),
  })
  .check(z.describe("A conversation, from its first turn to the requested id."));
export type Thread = z.infer<typeof Thread>;

const Delta = z.object({ delta: z.string() });
/** The data of each kind of stream event, by the event's name. */
export const EVENTS = {
  start: z.object({ request_id: z.string(), model: z.string() }),
  text: Delta,
  reasoning: Delta,
  refusal: Delta,
  tool_call: ToolCall,
  done: Answer,
  error: ProblemBody,
};

/** One stream event, without the id that it has on the wire. */
export const AskEvent = z.union(
  Object.entries(EVENTS).map(([event, data]) => z.object({ event: z.literal(event), data })),
);
export type AskEvent = {
  [Name in keyof typeof EVENTS]: { event: Name; data: z.infer<(typeof EVENTS)[Name]> };
}[keyof typeof EVENTS];
