// What a refusal is about: the response to continue, the call of an output, items of the input, or anything else.
import { describe, expect, test } from "vitest";
import { Problem } from "../../src/core/lib/problem.ts";
import { upstreamProblem } from "../../src/core/upstream/upstream-error.ts";

const subjectOf = (status: number, body: unknown): string | undefined => {
  const { details } = upstreamProblem({ status, body }, []);
  return details.paid === "unpaid" ? details.refusalOf : undefined;
};
const error = (message: string, rest: object = {}): object => ({
  error: { message, type: "invalid_request_error", param: null, code: null, ...rest },
});
const PARENT = "previous_response_id";

const PARENTS: [status: number, body: unknown][] = [
  [400, error("gone", { code: "previous_response_not_found", param: PARENT })],
  [400, error("gone", { code: "previous_response_not_found" })],
  [400, error("This backend keeps no state; send the conversation.", { param: PARENT })],
  [400, error("This backend keeps no state; send the conversation.")],
  [400, error("Previous response with id 'resp_1' not found.")],
  [400, error("Invalid `previous_response_id`.", { code: "invalid_request_error" })],
  [400, error("Response resp_68ab not found")],
  [400, error("No stored response with this id was found.")],
  [400, error("Conversation state is not available on this channel")],
  [400, error("Unsupported parameter: 'previous_response_id'.", { code: "unsupported_parameter" })],
  [400, error("Unknown parameter: 'previous_response_id'.", { code: "unknown_parameter", param: PARENT })],
  [400, error("previous_response_id is only supported on Responses WebSocket v2")],
  [400, error("当前渠道不支持 previous_response_id 参数", { type: "new_api_error" })],
  [400, error("Prediction history node with id '7' not found while attempting to build chat history chain")],
  [400, error("Previous response cannot be used for this organization due to Zero Data Retention.")],
  [400, error("Parent response is missing")],
  [400, error("The response_id is unknown here")],
  [400, error("This conversation was not stored")],
  [400, error("Session expired")],
  [400, error("Multi-turn continuation is not supported on this channel")],
  [400, { error: "previous_response_not_found" }],
  [400, { detail: "Unsupported parameter: previous_response_id" }],
  [422, { detail: [{ loc: ["body", PARENT], msg: "Extra inputs are not permitted", type: "extra_forbidden" }] }],
  [403, error("This response belongs to another key.", { param: PARENT })],
  [409, error("Response resp_68ab belongs to another channel.", { param: PARENT })],
  [501, error("previous_response_id is not implemented", { type: "server_error", code: "not_implemented" })],
  [404, error("No such response here.", { type: "not_found_error" })],
  [404, error("gone", { code: "response_not_found" })],
  [404, { detail: "Not Found" }],
  [404, ""],
  [404, undefined],
  [200, error("gone", { code: "previous_response_not_found", param: PARENT })],
  [200, error("Previous response with id 'resp_1' not found.", { type: null })],
  [200, { error: { code: 404, message: "No such response" } }],
];
const CALLS: [status: number, body: unknown][] = [
  [400, error("No tool call found for function call output with call_id call_1.", { param: "input" })],
  [400, error("No tool call found for custom tool call output with call_id call_1.", { param: "input" })],
  [400, error("There is no call for the output call_1.", { param: "input" })],
  [400, error("The output call_1 belongs to no call.", { param: "input" })],
  [400, error("Invalid input: function_call_output 'call_1' has no matching function_call in this request.")],
  [400, error("tool_call_id 'call_1' not found")],
  [400, error("Unknown call_id: call_1")],
  [400, error("Tool output without a matching tool call")],
  [400, error("No matching function_call for call_1")],
  [400, error("Could not find the tool call of call_1")],
  [400, error("function_call_output refers to an unknown call_id")],
  [400, error("Orphaned tool result")],
  [400, error("A tool message must follow an assistant message with tool_calls.")],
  [400, error("未找到对应的工具调用")],
  [
    400,
    error("Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'.", {
      param: "messages.[0].role",
    }),
  ],
  [400, error("Unexpected role 'tool' after role 'user'")],
  [400, error("messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_1.")],
  [
    400,
    {
      error: { code: 400, message: "Ensure that function response turn comes immediately after a function call turn." },
    },
  ],
  [422, { detail: "No tool call found for function call output with call_id call_1." }],
];
const ITEMS: [status: number, body: unknown][] = [
  [
    404,
    error("Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.", { param: "input" }),
  ],
  [400, error("Item with id 'msg_1' not found.", { param: "input" })],
  [400, error("Items with ids 'rs_1', 'msg_1' were not found")],
  [400, error("Could not find item msg_68ab")],
  [404, error("gone", { code: "item_not_found" })],
  [400, error("no", { code: "invalid_encrypted_content" })],
  [400, error("The encrypted content for item rs_1 could not be verified.")],
  [400, error("Item 'msg_1' of type 'message' was provided without its required 'reasoning' item: 'rs_1'.")],
  [400, error("Item 'rs_1' of type 'reasoning' was provided without its required following item.", { param: "input" })],
  [400, error("Invalid 'input[3].id': 'item_1'. Expected an ID that begins with 'rs'.", { code: "invalid_value" })],
  [400, error("Invalid 'input[3].id': string too long.", { code: "string_above_max_length", param: "input[3].id" })],
  [400, error("Unknown parameter: 'input[1].id'.", { code: "unknown_parameter", param: "input[1].id" })],
  [400, error("Invalid value: 'reasoning'. Supported values are: 'message'.", { param: "input[1]" })],
  [400, error("Duplicate item found with id msg_1. Remove duplicate items from your input and try again.")],
  [400, error("Unknown parameter: 'input[0].status'.", { param: "input[0].status", code: "unknown_parameter" })],
  [422, { detail: [{ loc: ["body", "input", "str"], msg: "Input should be a valid string", type: "string_type" }] }],
  [400, error("Invalid input item: reasoning")],
  [400, error("reasoning items are not supported by this model", { param: "input" })],
  [400, error("messages.1.content.0: Invalid `signature` in `thinking` block")],
  [422, { detail: [{ loc: ["body", "input", 1, "type"], msg: "Input should be a valid message or item_reference" }] }],
  [200, error("Item with id 'rs_1' not found.", { param: "input" })],
];
const OTHERS: [status: number, body: unknown][] = [
  [401, error("Invalid key. No stored response was found.")],
  [402, error("No credit for a conversation state")],
  [403, error("This key has no conversation history.")],
  [429, error("Too many requests with previous_response_id")],
  [400, error("You exceeded your current quota", { code: "insufficient_quota" })],
  [400, error("This model's maximum context length is 8192 tokens. Shorten the conversation history.")],
  [400, error("Too long: previous_response_id", { code: "context_length_exceeded" })],
  [400, error("Your prompt with previous_response_id was flagged.", { code: "content_policy_violation" })],
  [400, error("Invalid image for previous_response_id", { code: "invalid_image_url" })],
  [404, error("The model `m` does not exist or you do not have access to it.", { code: "model_not_found" })],
  [404, error("The model `m` does not exist.")],
  [404, error("The API deployment for this resource does not exist.", { code: "DeploymentNotFound" })],
  [400, error('Invalid value: "what is previous_response_id?"', { param: "input[0].content[0].text" })],
  [400, error('Invalid value: "what is previous_response_id?"', { param: "input" })],
  [400, error("Unsupported parameter: 'reasoning.effort' is not supported.", { param: "reasoning.effort" })],
  [400, error("Invalid value: 'reasoning.encrypted_content'.", { param: "include[0]" })],
  [400, error("Invalid response format", { param: "text.format" })],
  [400, error('One of "input" or "previous_response_id" must be provided.', { code: "missing_required_parameter" })],
  [500, error("The server had an error while it looked for previous_response_id", { type: "server_error" })],
  [503, error("No available channel for previous_response_id")],
];

describe.each([
  ["the parent", "parent", PARENTS],
  ["the call of an output", "calls", CALLS],
  ["items", "items", ITEMS],
  ["anything else", undefined, OTHERS],
])("a refusal about %s", (_, subject, refusals) => {
  test.each(refusals)("%i %j", (status, body) => {
    expect(subjectOf(status, body)).toBe(subject);
  });
});

test("a refusal that has a subject is unpaid, and has status 400 or 404", () => {
  for (const [status, body] of [...PARENTS, ...CALLS, ...ITEMS]) {
    const problem = upstreamProblem({ status, body }, []);
    expect(problem).toBeInstanceOf(Problem);
    expect(problem.details.paid).toBe("unpaid");
    expect([400, 404]).toContain(problem.status);
  }
});

test("a message of more than a million characters is read within a test's time limit", () => {
  for (const part of ["previous ", "'a ", "no call ", "item ", "response ", "_"])
    expect(subjectOf(400, error(part.repeat(200_000)))).not.toBe("calls");
});
