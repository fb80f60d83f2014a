// What a caller writes: the body of POST /ask (contract section 2), as types alone. A test holds it to core/request.ts, which judges it.
import type { Answer } from "../contract/answer.ts";
import type { JsonObject } from "../core/lib/json.ts";

/** A text, or messages and items as in the Responses API. */
export type Input = string | JsonObject[];

/** The body of POST /ask; README.md describes its fields. `stream` is not among them: the method decides. */
export interface AskBody {
  input: Input;
  preset?: string | null | undefined;
  previous_response_id?: string | null | undefined;
  /** A JSON Schema; the answer then has `data`. */
  schema?: JsonObject | null | undefined;
  images?: string[] | null | undefined;
  reasoning?: string | JsonObject | null | undefined;
  /** `false`: neither read nor write; "refresh": write only; N: an answer up to N seconds old. */
  cache?: false | "refresh" | number | null | undefined;
  model?: string | null | undefined;
  instructions?: string | null | undefined;
  temperature?: number | null | undefined;
  top_p?: number | null | undefined;
  max_output_tokens?: number | null | undefined;
  tools?: ({ type: string } & JsonObject)[] | null | undefined;
  tool_choice?: string | JsonObject | null | undefined;
  metadata?: Record<string, string> | null | undefined;
  store?: boolean | null | undefined;
  text?: JsonObject | null | undefined;
  include?: string[] | null | undefined;
  truncation?: string | null | undefined;
  parallel_tool_calls?: boolean | null | undefined;
  service_tier?: string | null | undefined;
  user?: string | null | undefined;
  max_tool_calls?: number | null | undefined;
  top_logprobs?: number | null | undefined;
  presence_penalty?: number | null | undefined;
  frequency_penalty?: number | null | undefined;
  safety_identifier?: string | null | undefined;
  prompt_cache_key?: string | null | undefined;
  prompt_cache_retention?: string | null | undefined;
  prompt_cache_options?: JsonObject | null | undefined;
  context_management?: JsonObject[] | null | undefined;
  moderation?: JsonObject | null | undefined;
  image?: JsonObject | null | undefined;
  access_programs?: JsonObject | unknown[] | null | undefined;
  stream_options?: JsonObject | null | undefined;
}

/** Just the input, or the whole body. */
export type Question = Input | AskBody;

export interface AskOptions {
  signal?: AbortSignal | undefined;
  /** The Worker asks once for each, however often it is sent, for 24 hours. A fresh UUID unless given. */
  idempotencyKey?: string | undefined;
}

/** One turn of a conversation as GET /ask/{id}?thread=true gives it. */
export interface Turn {
  input: Input;
  answer: Answer;
}

/** All that is needed to go on with a stream elsewhere, or after a reload; plain JSON. It holds the question, but no credential. */
export interface ResumeToken {
  key: string;
  body: AskBody;
  /** Of the last event that was read; absent where there was none yet. */
  lastEventId?: string | undefined;
}
