// POST /v1/responses, and the routes of a response by id.
import { EVERY_CALLER, type Operation, READERS, schemaRef } from "./operation.ts";
import {
  ANSWER_ID,
  cacheControl,
  booleanParameter,
  idempotencyKey,
  queryParameter,
  responseId,
  FOREIGN_ID,
} from "./parameters.ts";
import { RESPONSE_NOT_FOUND, problemExample } from "./problems.ts";

const TEXT = { type: "string" };
const INTEGER = { type: "integer", minimum: 1, maximum: 100, default: 20 };

const OBJECT = {
  id: ANSWER_ID,
  object: "response",
  created_at: 1_795_387_629,
  completed_at: 1_795_387_630,
  status: "completed",
  model: "gpt-6-luna",
  previous_response_id: null,
  output: [
    {
      type: "message",
      id: "msg_68f1",
      status: "completed",
      role: "assistant",
      content: [{ type: "output_text", text: "The capital of France is Paris.", annotations: [] }],
    },
  ],
  output_text: "The capital of France is Paris.",
  usage: {
    input_tokens: 7,
    input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
    output_tokens: 10,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 17,
  },
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
  reasoning: { effort: null, summary: null },
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
};

const STREAM_END = `event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_68f1","output_index":0,"content_index":0,"delta":"Once upon a time"}

event: response.completed
data: ${JSON.stringify({ type: "response.completed", sequence_number: 8, response: { id: ANSWER_ID, object: "response", status: "completed" } })}

data: [DONE]

`;

const STREAM = `event: response.created
data: ${JSON.stringify({ type: "response.created", sequence_number: 0, response: { id: ANSWER_ID, object: "response", status: "in_progress" } })}

${STREAM_END}`;

const postResponse: Operation = {
  path: "/v1/responses",
  method: "post",
  operationId: "createResponse",
  tag: "Responses",
  summary: "OpenAI's Responses API",
  description: `For any OpenAI client: set its \`baseURL\` to \`…/v1\` and its \`apiKey\` to a key of this Worker. Also at \`/responses\`.

Fields that are not listed go to UniAPI unchanged. \`background\`, \`conversation\` and \`prompt\` are refused unless they are \`null\` or
\`false\`. \`model\` may be the name of a preset; restricted callers must name one. Only \`stream\` decides whether the response is a stream. A
stream ends with \`data: [DONE]\`. A stream that fails has an \`error\` event, no \`[DONE]\`, and a broken connection. The answer cache is off unless
the config or \`Cache-Control: max-age=N\` enables it.`,
  callers: EVERY_CALLER,
  parameters: [cacheControl, idempotencyKey],
  body: { "application/json": schemaRef("ResponsesRequest") },
  responses: {
    200: {
      description: "The response object, also if its `status` is `failed`.",
      headers: ["cache-status", "age", "x-continuity"],
      content: { "application/json": schemaRef("Response"), "text/event-stream": TEXT },
      event: schemaRef("ResponseEvent"),
    },
  },
  failures: ["body", "upstream", "repeat"],
  examples: {
    question: {
      summary: "A question",
      body: { input: "What is the capital of France?" },
      status: 200,
      response: OBJECT,
    },
    follow_up: {
      summary: "A follow-up",
      body: {
        model: "gpt-6-luna",
        input: [{ role: "user", content: "And of Spain?" }],
        previous_response_id: ANSWER_ID,
      },
      status: 200,
      response: { ...OBJECT, previous_response_id: ANSWER_ID },
    },
    preset: {
      summary: "A preset's name as the model",
      body: { model: "support", input: "hi" },
      status: 200,
      response: OBJECT,
    },
    stream: {
      summary: "A stream",
      body: { input: "Tell me a story", stream: true },
      status: 200,
      response: STREAM,
      accept: "text/event-stream",
    },
    background: {
      summary: "A field that is refused",
      body: { input: "hi", background: true },
      status: 400,
      response: problemExample(
        "unknown_parameter",
        "`background` is not supported here: use `stream` instead, which has no time limit of its own.",
        "background",
      ),
    },
  },
};

const getResponse: Operation = {
  path: "/v1/responses/{id}",
  method: "get",
  operationId: "getResponse",
  tag: "Responses",
  summary: "An earlier response",
  description: "Read from KV; UniAPI is not called.",
  callers: READERS,
  parameters: [
    responseId,
    booleanParameter("stream", "Return the events of a stream."),
    queryParameter("starting_after", "With `stream`: only the events after this `sequence_number`.", {
      type: "integer",
      minimum: 0,
    }),
  ],
  responses: {
    200: {
      description: "The response object.",
      content: { "application/json": schemaRef("Response"), "text/event-stream": TEXT },
      event: schemaRef("ResponseEvent"),
    },
  },
  failures: ["id"],
  examples: {
    object: { summary: "The object", parameters: { id: ANSWER_ID }, status: 200, response: OBJECT },
    stream: {
      summary: "The events of its stream",
      parameters: { id: ANSWER_ID, stream: "true" },
      status: 200,
      response: STREAM,
      accept: "text/event-stream",
    },
    rest_of_stream: {
      summary: "The rest of its stream",
      parameters: { id: ANSWER_ID, stream: "true", starting_after: "1" },
      status: 200,
      response: STREAM_END,
      accept: "text/event-stream",
    },
    foreign_id: {
      summary: "An id that is not yours",
      parameters: { id: FOREIGN_ID },
      status: 404,
      response: RESPONSE_NOT_FOUND,
    },
  },
};

const deleteResponse: Operation = {
  path: "/v1/responses/{id}",
  method: "delete",
  operationId: "deleteResponse",
  tag: "Responses",
  summary: "Delete a turn",
  description: "Deletes the turn and its cached answer. The id can't be read or continued any more.",
  callers: READERS,
  parameters: [responseId],
  responses: {
    200: { description: "The turn is deleted.", content: { "application/json": schemaRef("DeletedResponse") } },
  },
  failures: ["id"],
  examples: {
    deleted: {
      summary: "A turn",
      parameters: { id: ANSWER_ID },
      status: 200,
      response: { id: ANSWER_ID, object: "response", deleted: true },
    },
  },
};

const inputItems: Operation = {
  path: "/v1/responses/{id}/input_items",
  method: "get",
  operationId: "listInputItems",
  tag: "Responses",
  summary: "The input of a turn",
  description: "The input items of this turn only, read from KV.",
  callers: READERS,
  parameters: [
    responseId,
    queryParameter("order", "`desc`: the newest item first.", {
      type: "string",
      enum: ["asc", "desc"],
      default: "desc",
    }),
    queryParameter("after", "`id` of an item: the list starts after it."),
    queryParameter("limit", "The number of items.", INTEGER),
  ],
  responses: { 200: { description: "A page of items.", content: { "application/json": schemaRef("InputItems") } } },
  failures: ["id"],
  examples: {
    items: {
      summary: "The first items",
      parameters: { id: ANSWER_ID, order: "asc", limit: "10" },
      status: 200,
      response: {
        object: "list",
        data: [
          {
            type: "message",
            role: "user",
            status: "completed",
            content: [{ type: "input_text", text: "What is the capital of France?" }],
            id: "item_0_ZjY2YmVmZTQy",
          },
        ],
        first_id: "item_0_ZjY2YmVmZTQy",
        last_id: "item_0_ZjY2YmVmZTQy",
        has_more: false,
      },
    },
  },
};

export const responsesOperations = [postResponse, getResponse, deleteResponse, inputItems];
