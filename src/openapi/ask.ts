// POST /ask and GET /ask/{id}.
import { EVERY_CALLER, type Operation, READERS, schemaRef } from "./operation.ts";
import {
  RUN_ID,
  ANSWER_ID,
  cacheControl,
  booleanParameter,
  idempotencyKey,
  lastEventId,
  FOLLOW_UP_ID,
  queryParameter,
  responseId,
  FOREIGN_ID,
} from "./parameters.ts";
import { RESPONSE_NOT_FOUND, problemExample } from "./problems.ts";

const TEXT = { type: "string" };
const USAGE = { input_tokens: 7, cached_tokens: 0, output_tokens: 10, reasoning_tokens: 0, total_tokens: 17 };
const ANSWER = {
  id: ANSWER_ID,
  previous_response_id: null,
  created_at: 1_795_387_629,
  model: "gpt-6-luna",
  status: "completed",
};
const CITY = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};

const START = `id: ${RUN_ID}-0
event: start
data: {"request_id":"req_ae7fdf9f5b88a6aeb3fadeb6","model":"gpt-6-luna"}

`;
const REST = `id: ${RUN_ID}-1
event: text
data: {"delta":"Once upon a time"}

id: ${RUN_ID}-2
event: done
data: ${JSON.stringify({ ...ANSWER, text: "Once upon a time", usage: USAGE })}

`;

const postAsk: Operation = {
  path: "/ask",
  method: "post",
  operationId: "ask",
  tag: "Ask",
  summary: "Ask a question, get a trimmed answer",
  description: `The Worker adds the preset, the defaults and limits of the config, and its UniAPI key.

\`null\` means that a field is not set. A restricted caller (every kind but a server key) may send \`input\`, \`preset\`, \`previous_response_id\`,
\`stream\`, \`cache\` (\`false\` or \`"refresh"\`), \`metadata\` and \`max_output_tokens\`; \`images\` if the preset permits them; and the fields that the
preset allows.

A body of type text/plain, of a form's type, or without a type may be a JSON object with \`input\`, a form with \`input=\`, or plain text, which
becomes \`input\`. The files of a multipart form are images (PNG, JPEG, WebP or GIF), like those in \`images\`; their names do not matter.

\`Accept: text/plain\` returns only the text. A stream begins with one \`start\`, ends with exactly one of \`done\` and \`error\`, and has a comment
(\`: ping\`) after five seconds of silence. With \`Accept: text/plain\` it is the text itself, and a failure breaks the connection.`,
  callers: EVERY_CALLER,
  parameters: [
    queryParameter("preset", "As in the body."),
    queryParameter("previous_response_id", "As in the body."),
    booleanParameter("stream", "As in the body."),
    cacheControl,
    idempotencyKey,
    lastEventId,
  ],
  body: {
    "application/json": schemaRef("AskRequest"),
    "text/plain": TEXT,
    "application/x-www-form-urlencoded": schemaRef("AskRequest"),
    "multipart/form-data": {
      type: "object",
      properties: { input: TEXT, preset: TEXT, previous_response_id: TEXT },
      required: ["input"],
      additionalProperties: { ...TEXT, description: "Another field of the JSON body, as text, or an image as a file." },
    },
  },
  optionalBody:
    "Required, except to resume a stream whose question is lost, for example after a reload: with `Idempotency-Key` and `Last-Event-ID` " +
    'the body may be empty, `{}` or `{"stream":true}`. The response is then a stream, whatever `Accept` is.',
  responses: {
    200: {
      description: "The answer.",
      headers: ["cache-status", "age", "x-continuity", "x-response-id", "x-response-status"],
      content: { "application/json": schemaRef("Answer"), "text/plain": TEXT, "text/event-stream": TEXT },
      event: schemaRef("AskEvent"),
    },
  },
  failures: ["body", "upstream", "repeat", "resume"],
  examples: {
    question: {
      summary: "A question",
      body: { input: "What is the capital of France?" },
      status: 200,
      response: { ...ANSWER, text: "The capital of France is Paris.", usage: USAGE, cost_usd: 0.0000057 },
    },
    follow_up: {
      summary: "A follow-up",
      body: { input: "And of Spain?", previous_response_id: ANSWER_ID },
      status: 200,
      response: {
        ...ANSWER,
        id: FOLLOW_UP_ID,
        previous_response_id: ANSWER_ID,
        text: "It is Madrid.",
        usage: USAGE,
        cost_usd: 0.0000057,
      },
    },
    preset: {
      summary: "A preset, with metadata",
      body: { input: "My order has not come.", preset: "support", metadata: { order: "A-17" } },
      status: 200,
      response: {
        ...ANSWER,
        text: "I am sorry to hear that.",
        usage: USAGE,
        metadata: { order: "A-17" },
        cost_usd: 0.0000057,
      },
    },
    structured: {
      summary: "Structured data",
      body: { input: "What is the capital of France?", schema: CITY },
      status: 200,
      response: { ...ANSWER, text: '{"city":"Paris"}', usage: USAGE, data: { city: "Paris" }, cost_usd: 0.0000057 },
    },
    tools: {
      summary: "A function that you run",
      body: {
        input: "What is the weather in Oslo?",
        tools: [{ type: "function", name: "weather", parameters: CITY, strict: true }],
      },
      status: 200,
      response: {
        ...ANSWER,
        text: "",
        usage: USAGE,
        tool_calls: [{ call_id: "call_8Qw1", name: "weather", arguments: '{"city":"Oslo"}' }],
        cost_usd: 0.0000057,
      },
    },
    image: {
      summary: "An image",
      body: { input: "What is on this picture?", images: ["https://example.com/cat.png"] },
      status: 200,
      response: { ...ANSWER, text: "A cat.", usage: USAGE, cost_usd: 0.0000057 },
    },
    stream: {
      summary: "A stream",
      body: { input: "Tell me a story", stream: true },
      status: 200,
      response: START + REST,
      accept: "text/event-stream",
    },
    resume: {
      summary: "Resume that stream after its first event, without the question",
      parameters: { "Idempotency-Key": "story-17", "Last-Event-ID": `${RUN_ID}-0` },
      status: 200,
      response: REST,
      accept: "text/event-stream",
    },
    once: {
      summary: "One call, however often it is sent",
      parameters: { "Idempotency-Key": "order-A-17-reply-1" },
      body: { input: "Write one reply to order A-17." },
      status: 200,
      response: { ...ANSWER, text: "Your parcel is on its way.", usage: USAGE, cost_usd: 0.0000057 },
    },
    plain_text: {
      summary: "Text in, text out",
      body: "What is the capital of France?",
      type: "text/plain",
      status: 200,
      response: "The capital of France is Paris.",
      accept: "text/plain",
    },
    form: {
      summary: "A form",
      body: "input=What+is+the+capital+of+France%3F&temperature=0.2",
      type: "application/x-www-form-urlencoded",
      status: 200,
      response: { ...ANSWER, text: "The capital of France is Paris.", usage: USAGE, cost_usd: 0.0000057 },
    },
    misspelled: {
      summary: "A misspelled field",
      body: { input: "hi", temprature: 1 },
      status: 400,
      response: problemExample(
        "unknown_parameter",
        "`temprature` is not a field of this request. Check its spelling or leave it out.",
        "temprature",
      ),
    },
    foreign_id: {
      summary: "A follow-up to an id that is not yours",
      body: { input: "And of Spain?", previous_response_id: FOREIGN_ID },
      status: 400,
      response: problemExample(
        "previous_response_not_found",
        "There is no response with this previous_response_id. Check the id, or leave it out to start a new conversation.",
        "previous_response_id",
      ),
    },
  },
};

const getAsk: Operation = {
  path: "/ask/{id}",
  method: "get",
  operationId: "getAnswer",
  tag: "Ask",
  summary: "An earlier answer, or its whole conversation",
  description:
    "Read from KV; UniAPI is not called. With `thread=true`: every turn from the first to this one, so that a page can restore a chat.",
  callers: READERS,
  parameters: [responseId, booleanParameter("thread", "Return the whole conversation.")],
  responses: {
    200: {
      description: "The answer as it was returned, or the conversation.",
      headers: ["x-response-id", "x-response-status"],
      content: { "application/json": { anyOf: [schemaRef("Answer"), schemaRef("Thread")] }, "text/plain": TEXT },
    },
  },
  failures: ["id"],
  examples: {
    answer: {
      summary: "An answer",
      parameters: { id: ANSWER_ID },
      status: 200,
      response: { ...ANSWER, text: "The capital of France is Paris.", usage: USAGE, cost_usd: 0.0000057 },
    },
    thread: {
      summary: "A conversation",
      parameters: { id: FOLLOW_UP_ID, thread: "true" },
      status: 200,
      response: {
        turns: [
          {
            input: "What is the capital of France?",
            answer: { ...ANSWER, text: "The capital of France is Paris.", usage: USAGE, cost_usd: 0.0000057 },
          },
          {
            input: "And of Spain?",
            answer: {
              ...ANSWER,
              id: FOLLOW_UP_ID,
              previous_response_id: ANSWER_ID,
              text: "It is Madrid.",
              usage: USAGE,
              cost_usd: 0.0000057,
            },
          },
        ],
      },
    },
    foreign_id: {
      summary: "An id that is not yours",
      parameters: { id: FOREIGN_ID },
      status: 404,
      response: RESPONSE_NOT_FOUND,
    },
  },
};

export const askOperations = [postAsk, getAsk];
