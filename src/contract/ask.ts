// Every field of a request, once: the fields that UniAPI's POST /v1/responses takes (UPSTREAM_FIELDS) and the body of POST /ask
// (Ask). Strict about the shapes that the Worker itself reads, open about enums (they grow every few months): upstream judges those.
import * as z from "zod/mini";

/** A JSON object whose keys are not ours to judge. */
const Loose = z.record(z.string(), z.unknown());
/** An item that must say what it is; the kinds are open. */
const Typed = z.looseObject({ type: z.string() });

/** `input` of the Responses API: a text, or messages and items (a message may leave out its `type`). */
export const Input = z.union([z.string().check(z.minLength(1)), z.array(Loose).check(z.minLength(1))]);

/** `text` of the Responses API: `{ format: { type }, verbosity }`. */
const Text = z.looseObject({ format: z.optional(z.nullable(Typed)) });

/**
 * Fields of the Responses request that a caller, a preset or `defaults` may set: the 19 of UniAPI's page but `input`,
 * `previous_response_id` and `stream`, which every call has for itself, and those that OpenAI has added since.
 */
export const UPSTREAM_FIELDS = {
  model: z.string().check(z.minLength(1), z.maxLength(256)),
  instructions: z.string(),
  temperature: z.number(),
  top_p: z.number(),
  max_output_tokens: z.int().check(z.positive()),
  tools: z.array(Typed),
  tool_choice: z.union([z.string(), Loose]),
  metadata: z.record(z.string(), z.string()),
  store: z.boolean(),
  text: Text,
  include: z.array(z.string()),
  truncation: z.string(),
  parallel_tool_calls: z.boolean(),
  service_tier: z.string(),
  user: z.string(),
  reasoning: Loose,
  max_tool_calls: z.int().check(z.positive()),
  top_logprobs: z.int().check(z.nonnegative()),
  presence_penalty: z.number(),
  frequency_penalty: z.number(),
  safety_identifier: z.string(),
  prompt_cache_key: z.string(),
  prompt_cache_retention: z.string(),
  prompt_cache_options: Loose,
  context_management: z.array(Loose),
  moderation: Loose,
  image: Loose,
  access_programs: z.union([Loose, z.array(z.unknown())]),
  stream_options: Loose,
} as const;

/** Refused for every caller: they keep state in the shared upstream account. */
export const REFUSED_FIELDS: Record<string, string> = {
  background: "ask with `stream` instead, which has no time limit of its own",
  conversation: "continue with `previous_response_id` instead",
  prompt: "what you ask goes into `input`, a stored prompt's text into `instructions` or a preset",
};

/** `cache` of /ask: `false` neither reads nor writes, "refresh" writes only, N accepts an answer up to N seconds old. */
export const CacheDirective = z.union([z.literal(false), z.literal("refresh"), z.int().check(z.nonnegative())]);

/** The body of POST /ask after nulls are dropped (null means: not set, as SDKs send it). */
export const Ask = z.strictObject({
  ...z.partial(z.object(UPSTREAM_FIELDS)).shape,
  input: Input,
  preset: z.optional(z.string()),
  previous_response_id: z.optional(z.string().check(z.minLength(1))),
  stream: z.optional(z.boolean()),
  schema: z.optional(Loose),
  images: z.optional(z.array(z.string())),
  reasoning: z.optional(z.union([z.string(), Loose])),
  cache: z.optional(CacheDirective),
});
export type Ask = z.infer<typeof Ask>;

/**
 * The body of POST /v1/responses for a caller with full trust: unknown fields pass, and only what the Worker itself reads has a form.
 * Nulls are kept: upstream knows what they mean.
 */
export const ResponsesRequest = z.looseObject({
  model: z.optional(z.nullable(UPSTREAM_FIELDS.model)),
  input: z.optional(z.nullable(z.union([z.string(), z.array(Loose)]))),
  instructions: z.optional(z.nullable(z.union([z.string(), z.array(Loose)]))),
  previous_response_id: z.optional(z.nullable(z.string().check(z.minLength(1)))),
  stream: z.optional(z.nullable(z.boolean())),
  store: z.optional(z.nullable(z.boolean())),
  tools: z.optional(z.nullable(z.array(Typed))),
  text: z.optional(z.nullable(Text)),
  metadata: z.optional(z.nullable(UPSTREAM_FIELDS.metadata)),
  max_output_tokens: z.optional(z.nullable(UPSTREAM_FIELDS.max_output_tokens)),
});
export type ResponsesRequest = z.infer<typeof ResponsesRequest>;

/** What presets and `defaults` may hold, and what a composed request is made of. */
export const UpstreamFields = z.partial(z.strictObject(UPSTREAM_FIELDS));
export type UpstreamFields = z.infer<typeof UpstreamFields>;

export const IDENTITY_FIELDS: ReadonlySet<string> = new Set(["user", "safety_identifier", "prompt_cache_key"]);
