// What each field of a request means, in a line. The types of the requests themselves say which fields there are: one that is not
// described here does not compile.
import type { Ask, ResponsesRequest } from "../contract/ask.ts";
import type { TurnstileExchange, SessionRequest } from "../contract/session.ts";

const RESPONSES_API = "As in the Responses API.";

export const ASK_FIELDS: Record<keyof Ask, string> = {
  input: "A text, or messages and items as in the Responses API.",
  preset: "Name of a preset of the config. A caller that is granted exactly one may leave it out.",
  previous_response_id: "`id` of an earlier answer, to continue that conversation.",
  stream: "Answer as a stream of events; `Accept: text/event-stream` does the same.",
  schema: "A JSON Schema: short for `text.format` with `json_schema`, strict. The answer then has `data`.",
  images: "http(s) addresses or `data:` URLs of images: short for `input_image` parts.",
  reasoning: '`"low"`: short for `{ "effort": "low" }`; or the object of the Responses API.',
  cache:
    '`false`: neither read nor write. `"refresh"`: write, don\'t read. N: take an answer up to N seconds old, and keep this one for N (at least 60) seconds.',
  model: "Absent: the preset's, or that of `defaults`.",
  instructions: RESPONSES_API,
  temperature: RESPONSES_API,
  top_p: RESPONSES_API,
  max_output_tokens: "As in the Responses API; limits of the config hold.",
  tools: RESPONSES_API,
  tool_choice: RESPONSES_API,
  metadata: "Texts of your own; the answer shows them unchanged.",
  store: "`false`: the turn is not kept, and can't be continued.",
  text: "As in the Responses API: `format`, `verbosity`.",
  include: RESPONSES_API,
  truncation: RESPONSES_API,
  parallel_tool_calls: RESPONSES_API,
  service_tier: RESPONSES_API,
  user: RESPONSES_API,
  max_tool_calls: RESPONSES_API,
  top_logprobs: RESPONSES_API,
  presence_penalty: RESPONSES_API,
  frequency_penalty: RESPONSES_API,
  safety_identifier: RESPONSES_API,
  prompt_cache_key: RESPONSES_API,
  prompt_cache_retention: RESPONSES_API,
  prompt_cache_options: RESPONSES_API,
  context_management: RESPONSES_API,
  moderation: RESPONSES_API,
  image: "Passed on to UniAPI.",
  access_programs: "Passed on to UniAPI.",
  stream_options: RESPONSES_API,
};

type Known<T> = keyof { [Key in keyof T as string extends Key ? never : Key]: T[Key] };

export const RESPONSES_FIELDS: Record<Known<ResponsesRequest>, string> = {
  model: "A model of UniAPI's, or the name of a preset. Absent: that of `defaults`.",
  input: RESPONSES_API,
  instructions: RESPONSES_API,
  previous_response_id: "`id` of an earlier response of this Worker; with a server key also one of UniAPI's own.",
  stream: "Answer as a stream of events.",
  store: "`false`: the turn is not kept, and can't be continued.",
  tools: RESPONSES_API,
  text: RESPONSES_API,
  metadata: RESPONSES_API,
  max_output_tokens: RESPONSES_API,
};

export const SESSION_FIELDS: Record<keyof SessionRequest, string> = {
  sub: "Your name for the user: the same one is the same owner of conversations.",
  presets: "Of those that the config grants to sessions, the ones that this session may use. Absent: all.",
  ttl: "Seconds until it expires.",
  origin: "The only origin whose pages may use it.",
  max_output_tokens: "The most that one request may ask for.",
  requests: "How many requests it is good for.",
  tokens_per_day: "A limit of its own, below the config's.",
};

export const EXCHANGE_FIELDS: Record<keyof TurnstileExchange, string> = {
  turnstile:
    "The token of a solved Turnstile. The request comes from a page of an allowed origin, without a credential.",
  renew: "An earlier token of this kind (expired at most 30 days ago): the session stays the same user's.",
};
