// Sample values of every upstream field, for the tests that go through all of them. A field without samples does not compile.
import { isDeepStrictEqual } from "node:util";
import type { UpstreamFields } from "../../src/contract/ask.ts";
import { DEFAULTS } from "../../src/contract/response.ts";

type Samples<Value> = readonly [Value, Value, Value];

/** Three values: for a request, a preset and `defaults`. The first is the smallest, to find code that takes it for absent. */
export const FIELD_VALUES: { [Name in keyof UpstreamFields]-?: Samples<UpstreamFields[Name]> } = {
  model: ["a", "b", "c"],
  instructions: ["", "b", "c"],
  temperature: [0, 1, 2],
  top_p: [0, 0.5, 1],
  max_output_tokens: [16, 32, 64],
  tools: [[], [{ type: "function" }], [{ type: "web_search" }]],
  tool_choice: ["none", "auto", "required"],
  metadata: [{}, { a: "b" }, { c: "d" }],
  store: [false, true, true],
  text: [{ verbosity: "low" }, { format: { type: "text" } }, { verbosity: "high" }],
  include: [[], ["b"], ["c"]],
  truncation: ["disabled", "auto", "c"],
  parallel_tool_calls: [false, true, true],
  service_tier: ["flex", "auto", "priority"],
  user: ["", "b", "c"],
  reasoning: [{ effort: "low" }, { summary: "auto" }, { effort: "high" }],
  max_tool_calls: [1, 2, 3],
  top_logprobs: [0, 1, 2],
  presence_penalty: [0, -0.5, 2],
  frequency_penalty: [0, 0.5, 2],
  safety_identifier: ["", "b", "c"],
  prompt_cache_key: ["", "b", "c"],
  prompt_cache_retention: ["24h", "b", "c"],
  prompt_cache_options: [{}, { mode: "auto" }, { mode: "explicit" }],
  context_management: [[], [{ type: "compaction" }], [{ c: 1 }]],
  moderation: [{}, { level: "low" }, { model: "omni" }],
  image: [{}, { size: "auto" }, { quality: "high" }],
  access_programs: [[], ["x"], { c: 1 }],
  stream_options: [{}, { include_obfuscation: false }, { c: 1 }],
};

/** A value that changes the request: neither an empty list nor the value that applies anyway. */
export function changedValueOf(name: keyof UpstreamFields): unknown {
  return FIELD_VALUES[name].find(
    (value) => !(Array.isArray(value) && value.length === 0) && !isDeepStrictEqual(value, DEFAULTS[name]),
  );
}
