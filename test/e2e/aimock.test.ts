// Runs against an upstream that this project did not write: CopilotKit's aimock. It implements the Responses API differently (`resp-` ids,
// few keys, no sequence numbers, no chains).
import { LLMock } from "@copilotkit/aimock";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { endOf, errorOf, eventsOf, json, PROMPT, startWorker, type Worker } from "./worker.ts";

const CALL = { call_id: "call_paris", name: "get_weather", arguments: '{"city":"Paris"}' };
const TOOLS = [
  { type: "function", name: "get_weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
];
const SCHEMA = {
  type: "object",
  properties: { name: { type: "string" } },
  required: ["name"],
  additionalProperties: false,
};

const upstream = new LLMock({ port: 0, chunkSize: 5 });
let worker: Worker;
beforeAll(async () => {
  upstream
    .onMessage("hello", { content: "Hi there! Ünï 你好 👩‍👩‍👧" })
    .onMessage("ponder", { content: "Forty-two.", reasoning: "Six times seven." })
    .onMessage("person", { content: '{"name":"Ada"}' })
    .onToolResult(CALL.call_id, { content: "It rains in Paris." })
    .onMessage("weather", { toolCalls: [{ id: CALL.call_id, name: CALL.name, arguments: CALL.arguments }] });
  await upstream.start();
  worker = await startWorker(upstream.url);
});
afterAll(async () => {
  await worker.stop();
  await upstream.stop();
});

const answer = (fields: object): object => ({
  id: expect.stringMatching(/^resp_ue1_/),
  previous_response_id: null,
  created_at: expect.any(Number),
  model: "gpt-6-luna",
  status: "completed",
  text: "",
  // aimock sends zeros, so the usage is unknown.
  usage: null,
  ...fields,
});

describe.each<[string, object, object, string[]]>([
  ["text", { input: `${PROMPT} hello` }, { text: "Hi there! Ünï 你好 👩‍👩‍👧" }, ["start", "text", "done"]],
  [
    "reasoning",
    { input: `${PROMPT} ponder`, reasoning: "low" },
    { text: "Forty-two.", reasoning_summary: "Six times seven." },
    ["start", "reasoning", "text", "done"],
  ],
  [
    "a function call",
    { input: `${PROMPT} weather`, tools: TOOLS },
    { tool_calls: [CALL] },
    ["start", "tool_call", "done"],
  ],
  [
    "a function's output",
    {
      input: [
        { role: "user", content: `${PROMPT} weather` },
        { type: "function_call", ...CALL },
        { type: "function_call_output", call_id: CALL.call_id, output: "rain" },
      ],
      tools: TOOLS,
    },
    { text: "It rains in Paris." },
    ["start", "text", "done"],
  ],
  [
    "a request with a schema",
    { input: `${PROMPT} person`, schema: SCHEMA },
    { text: '{"name":"Ada"}', data: { name: "Ada" } },
    ["start", "text", "done"],
  ],
])("%s", (_name, body, fields, names) => {
  test("is answered as JSON", async () => {
    const response = await worker.ask({ ...body, cache: false });
    expect(response.status).toBe(200);
    expect(json(response)).toEqual(answer(fields));
  });

  test("is answered as a stream", async () => {
    const events = eventsOf(await worker.ask({ ...body, cache: false, stream: true }));
    expect(endOf(events)).toEqual(answer(fields));
    expect([...new Set(events.map(({ event }) => event))]).toEqual(names);
  });
});

test("a follow-up works with aimock's form of ids", async () => {
  const { id } = json(await worker.ask({ input: `${PROMPT} hello`, cache: false }));
  const next = json(await worker.ask({ input: `${PROMPT} ponder`, previous_response_id: id }));
  expect(next).toMatchObject({ previous_response_id: id, status: "completed", text: "Forty-two." });
});

test("upstream's 404 for an unknown prompt becomes a 400", async () => {
  const response = await worker.ask({ input: `${PROMPT} something else` });
  expect([response.status, errorOf(response).code]).toEqual([400, "no_fixture_match"]);
});

test("a rate limit with a short Retry-After is retried once, then returned to the caller", async () => {
  const slowDown = (): unknown => upstream.nextRequestError(429, { message: "slow down", code: "rate_limit_exceeded" });
  slowDown();
  const retried = await worker.ask({ input: `${PROMPT} hello`, cache: false });
  expect([retried.status, retried.ms >= 1_000]).toEqual([200, true]);
  slowDown();
  slowDown();
  const response = await worker.ask({ input: `${PROMPT} hello`, cache: false });
  expect([
    response.status,
    errorOf(response).code,
    response.headers["retry-after"],
    response.headers["x-should-retry"],
  ]).toEqual([429, "upstream_rate_limited", "1", undefined]);
});
