// A family of the menu: the tokens of an answer under other names, or as impossible numbers.
import type { Hooks } from "./fault.ts";
import { changeResponse } from "./item-faults.ts";
import type { Json, JsonObject } from "./json.ts";

export const INPUT_TOKENS = 100_000;
export const OUTPUT_TOKENS = 50_000;
const total_tokens = INPUT_TOKENS + OUTPUT_TOKENS;

const RESPONSES = {
  input_tokens: INPUT_TOKENS,
  input_tokens_details: { cached_tokens: 40_000 },
  output_tokens: OUTPUT_TOKENS,
  output_tokens_details: { reasoning_tokens: 20_000 },
};
const CHAT = {
  prompt_tokens: INPUT_TOKENS,
  prompt_tokens_details: { cached_tokens: 40_000 },
  completion_tokens: OUTPUT_TOKENS,
  completion_tokens_details: { reasoning_tokens: 20_000 },
};
const ZEROS = { input_tokens: 0, output_tokens: 0 };

/** By the words in the name after `usage-`. */
const USAGES: Record<string, Json> = {
  "chat-names": { ...CHAT, total_tokens },
  "chat-names-without-total": CHAT,
  "chat-names-without-details": { prompt_tokens: INPUT_TOKENS, completion_tokens: OUTPUT_TOKENS, total_tokens },
  "both-names": { ...RESPONSES, ...CHAT, total_tokens },
  "both-names-one-zero": { ...CHAT, ...ZEROS, total_tokens },
  "both-names-other-zero": { ...RESPONSES, prompt_tokens: 0, completion_tokens: 0, total_tokens },
  "without-total": RESPONSES,
  "without-details": { input_tokens: INPUT_TOKENS, output_tokens: OUTPUT_TOKENS, total_tokens },
  "null-details": { ...RESPONSES, input_tokens_details: null, output_tokens_details: null, total_tokens },
  "other-names": { tokens_in: INPUT_TOKENS, tokens_out: OUTPUT_TOKENS },
  "zero-parts": { ...ZEROS, total_tokens },
  "all-zeros": { ...ZEROS, total_tokens: 0 },
  "wrong-total": { ...RESPONSES, total_tokens: 7 },
  "total-only": { total_tokens },
  "without-input": { output_tokens: OUTPUT_TOKENS },
  "without-output": { input_tokens: INPUT_TOKENS },
  texts: {
    input_tokens: String(INPUT_TOKENS),
    output_tokens: String(OUTPUT_TOKENS),
    total_tokens: String(total_tokens),
  },
  negative: { input_tokens: -1, output_tokens: OUTPUT_TOKENS, total_tokens: OUTPUT_TOKENS - 1 },
  fractions: { input_tokens: 0.5, output_tokens: 0.5, total_tokens: 1 },
  absurd: { input_tokens: 1e18, output_tokens: 1e18, total_tokens: 2e18 },
  empty: {},
  "a-list": [],
  "a-text": "150000 tokens",
};

export const USAGE_FORMS: Record<string, Hooks> = Object.fromEntries(
  Object.entries(USAGES).map(([name, usage]) => [
    name,
    changeResponse((response): JsonObject => (response["usage"] === null ? response : { ...response, usage })),
  ]),
);
