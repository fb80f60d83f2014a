// The table of request fields. Each row says which values a field accepts, what it means, where it is accepted and who may set it.
// The request schemas, presets, restrictions, OpenAPI and the documented tables are derived from these rows or tested against them.
// Schemas are strict about shapes that the Worker reads. They leave enums to upstream, since providers add values every few months.
import * as z from "zod/mini";

/**
 * Whether a restricted caller may set a field:
 * - `always`: with every preset;
 * - `allow`: if the preset's `allow` lists the field, or the field named in `allowedAs`;
 * - `images`: if the preset's `images` permits images;
 * - `never`: the Worker sets it itself, or only server callers use it.
 */
type Restricted = "always" | "allow" | "images" | "never";

export interface RequestField {
  /** The values that presets and UniAPI accept. */
  schema: z.ZodMiniType;
  /** The values that /ask and /jobs accept, if they accept more than `schema`. */
  askSchema?: z.ZodMiniType;
  /** One line for the documents: what the field means on /ask. */
  description: string;
  /** A form's value of this field is a string, even if it looks like JSON. A row whose schema is a string does not need this mark. */
  plainText?: true;
  restricted: Restricted;
  /** The field that a preset's `allow` must list in place of this one. */
  allowedAs?: string;
  /**
   * What the field means on /v1/responses, if the Worker reads it there. Without it, an upstream field is forwarded unchecked, and a
   * field of the Worker's own does not exist on that route.
   */
  responses?: string;
  /** The values that /v1/responses accepts, if they differ from `schema`. */
  responsesSchema?: z.ZodMiniType;
}

export interface OwnField extends RequestField {
  /** The places that accept the field. `query` is the query string of POST /ask. */
  in: readonly ("ask" | "query" | "jobs")[];
}

const RESPONSES_API = "As in the Responses API.";
const NOT_STORED = "`false`: the turn is not stored and can't be continued.";

/** A JSON object whose keys the Worker does not check. */
const JsonObject = z.record(z.string(), z.unknown());
/** An object with a `type`. The Worker checks neither the value of `type` nor the other keys. */
const Typed = z.looseObject({ type: z.string() });
/** `text` of the Responses API: `{ format: { type }, verbosity }`. */
const TextOptions = z.looseObject({ format: z.optional(z.nullable(Typed)) });

/**
 * Fields that are sent to UniAPI and that a caller, a preset or `defaults` may set. UniAPI's page lists 19 fields. Three of them are in
 * OWN_FIELDS, because they belong to a single call: `input`, `previous_response_id` and `stream`. The other 16 are here, with those that
 * OpenAI has added since.
 */
export const UPSTREAM_FIELDS = {
  model: {
    schema: z.string().check(z.minLength(1), z.maxLength(256)),
    description: "Name of a UniAPI model. Default: the preset's model, or that of `defaults`.",
    restricted: "allow",
    responses: "Name of a UniAPI model or of a preset. Default: the model of `defaults`.",
  },
  instructions: {
    schema: z.string(),
    description: RESPONSES_API,
    restricted: "allow",
    responses: RESPONSES_API,
    responsesSchema: z.union([z.string(), z.array(JsonObject)]),
  },
  temperature: { schema: z.number(), description: RESPONSES_API, restricted: "allow" },
  top_p: { schema: z.number(), description: RESPONSES_API, restricted: "allow" },
  max_output_tokens: {
    schema: z.int().check(z.positive()),
    description: "As in the Responses API; limits of the config apply.",
    restricted: "always",
    responses: RESPONSES_API,
  },
  tools: {
    schema: z.array(Typed),
    description: RESPONSES_API,
    restricted: "allow",
    responses: RESPONSES_API,
  },
  tool_choice: { schema: z.union([z.string(), JsonObject]), description: RESPONSES_API, restricted: "allow" },
  metadata: {
    schema: z.record(z.string(), z.string()),
    description: "Your own strings; the answer returns them unchanged.",
    restricted: "always",
    responses: RESPONSES_API,
  },
  store: {
    schema: z.boolean(),
    description: NOT_STORED,
    restricted: "allow",
    responses: NOT_STORED,
  },
  text: {
    schema: TextOptions,
    description: "As in the Responses API: `format`, `verbosity`.",
    restricted: "allow",
    responses: RESPONSES_API,
  },
  include: { schema: z.array(z.string()), description: RESPONSES_API, restricted: "allow" },
  truncation: { schema: z.string(), description: RESPONSES_API, restricted: "allow" },
  parallel_tool_calls: { schema: z.boolean(), description: RESPONSES_API, restricted: "allow" },
  service_tier: { schema: z.string(), description: RESPONSES_API, restricted: "allow" },
  user: { schema: z.string(), description: RESPONSES_API, restricted: "never" },
  reasoning: {
    schema: JsonObject,
    askSchema: z.union([z.string(), JsonObject]),
    description: '`"low"`: short for `{ "effort": "low" }`; or the object of the Responses API.',
    restricted: "allow",
  },
  max_tool_calls: { schema: z.int().check(z.positive()), description: RESPONSES_API, restricted: "allow" },
  top_logprobs: { schema: z.int().check(z.nonnegative()), description: RESPONSES_API, restricted: "allow" },
  presence_penalty: { schema: z.number(), description: RESPONSES_API, restricted: "allow" },
  frequency_penalty: { schema: z.number(), description: RESPONSES_API, restricted: "allow" },
  safety_identifier: { schema: z.string(), description: RESPONSES_API, restricted: "never" },
  prompt_cache_key: { schema: z.string(), description: RESPONSES_API, restricted: "never" },
  prompt_cache_retention: { schema: z.string(), description: RESPONSES_API, restricted: "allow" },
  prompt_cache_options: { schema: JsonObject, description: RESPONSES_API, restricted: "allow" },
  context_management: { schema: z.array(JsonObject), description: RESPONSES_API, restricted: "allow" },
  moderation: { schema: JsonObject, description: RESPONSES_API, restricted: "allow" },
  image: { schema: JsonObject, description: "Forwarded to UniAPI.", restricted: "allow" },
  access_programs: {
    schema: z.union([JsonObject, z.array(z.unknown())]),
    description: "Forwarded to UniAPI.",
    restricted: "allow",
  },
  stream_options: { schema: JsonObject, description: RESPONSES_API, restricted: "allow" },
} as const satisfies Record<string, RequestField>;

/**
 * OpenAI accepts 16 keys of metadata. A restricted caller may use half of them, and its preset the other half. If the caller's share
 * depended on the preset, it would reveal how many hidden keys the preset has.
 */
export const MAX_METADATA_KEYS = 8;

/** Fields that belong to a single call, and short forms that only this Worker has. Neither presets nor `defaults` can set them. */
export const OWN_FIELDS = {
  input: {
    schema: z.union([z.string().check(z.minLength(1)), z.array(JsonObject).check(z.minLength(1))]),
    description: "A string, or a list of messages and items as in the Responses API.",
    in: ["ask", "jobs"],
    plainText: true,
    restricted: "always",
    responses: RESPONSES_API,
    responsesSchema: z.union([z.string(), z.array(JsonObject)]),
  },
  preset: {
    schema: z.string(),
    description: "Name of a preset of the config. A caller that is granted exactly one may omit it.",
    in: ["ask", "query", "jobs"],
    restricted: "always",
  },
  previous_response_id: {
    schema: z.string().check(z.minLength(1)),
    description: "`id` of an earlier answer, to continue that conversation.",
    in: ["ask", "query", "jobs"],
    restricted: "always",
    responses: "`id` of an earlier response of this Worker. With a server key, an id of UniAPI's own also works.",
  },
  stream: {
    schema: z.boolean(),
    description: "Answer as a stream of events; `Accept: text/event-stream` does the same.",
    in: ["ask", "query"],
    restricted: "always",
    responses: "Answer as a stream of events.",
  },
  schema: {
    schema: JsonObject,
    description: "A JSON Schema: short for `text.format` with `json_schema`, strict. The answer then has `data`.",
    in: ["ask", "jobs"],
    restricted: "allow",
    allowedAs: "text",
  },
  images: {
    schema: z.array(z.string()),
    description: "http(s) addresses or `data:` URLs of images: short for `input_image` parts.",
    in: ["ask", "jobs"],
    restricted: "images",
  },
  cache: {
    schema: z.union([z.literal(false), z.literal("refresh"), z.int().check(z.nonnegative())]),
    description:
      '`false`: neither read nor write. `"refresh"`: write, don\'t read. N: accept a cached answer up to N seconds old; cache a new one for N seconds (minimum 60).',
    in: ["ask", "jobs"],
    restricted: "always",
  },
  callback: {
    schema: z.string(),
    description:
      "Name of an entry in the config's `callbacks`, to which the answer is posted. Without it, read the job by its id.",
    in: ["jobs"],
    restricted: "never",
  },
} as const satisfies Record<string, OwnField>;

/** Fields that are refused for every caller, because they use state in the shared upstream account. The values are the remedies. */
export const REFUSED_FIELDS: Readonly<Record<string, string>> = {
  background: "use `stream` instead, which has no time limit of its own",
  conversation: "continue with `previous_response_id` instead",
  prompt: "put the question in `input`, and the text of a stored prompt in `instructions` or a preset",
};

/** All rows of both tables, by the field's name. */
export const REQUEST_FIELDS: ReadonlyMap<string, RequestField> = new Map<string, RequestField>([
  ...Object.entries(UPSTREAM_FIELDS),
  ...Object.entries(OWN_FIELDS),
]);

/**
 * Names of the fields by which UniAPI distinguishes end users. A restricted caller can't set them, and no preset can allow them: the Worker
 * sets `safety_identifier` and `prompt_cache_key` itself.
 */
export const IDENTITY_FIELDS: ReadonlySet<string> = new Set(
  Object.entries<RequestField>(UPSTREAM_FIELDS).flatMap(([name, row]) => (row.restricted === "never" ? [name] : [])),
);
