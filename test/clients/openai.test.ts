// The official `openai` package against the production bundle: what an app does with OpenAI's API works with ours.
import { setTimeout as sleep } from "node:timers/promises";
import OpenAI, {
  APIError,
  APIUserAbortError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
} from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import type {
  FunctionTool,
  ResponseCreateParamsNonStreaming,
  ResponseFunctionToolCall,
  ResponseInputItem,
  ResponseOutputItem,
  ResponseStreamEvent,
} from "openai/resources/responses/responses";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import * as z from "zod";
import { until } from "../e2e/worker.ts";
import { type Gateway, PROMPT, SERVER_KEY, startGateway } from "./gateway.ts";

let gateway: Gateway;
let client: OpenAI;
beforeAll(async () => {
  gateway = await startGateway();
  client = new OpenAI({ baseURL: gateway.baseURL, apiKey: SERVER_KEY, maxRetries: 0, fetch: gateway.fetch });
});
afterAll(() => gateway.stop());
beforeEach(() => gateway.emulator.clear());

const model = "gpt-6-sol";
const ANSWER = `You said: "${PROMPT}".`;
const WEATHER: FunctionTool = {
  type: "function",
  name: "weather",
  parameters: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
  strict: true,
};
const TIME: FunctionTool = { ...WEATHER, name: "time" };

const failure = async (work: PromiseLike<unknown>): Promise<Error> =>
  await Promise.resolve(work).then(
    () => expect.fail("did not fail"),
    (error: unknown) => error as Error,
  );
const outputOf = (call: ResponseFunctionToolCall): ResponseInputItem => ({
  type: "function_call_output",
  call_id: call.call_id,
  output: `${call.name} is fine`,
});

test("create returns a complete response with our id", async () => {
  const response = await client.responses.create({ model, input: PROMPT, metadata: { order: "7" } });
  expect(response).toMatchObject({
    object: "response",
    status: "completed",
    output_text: ANSWER,
    metadata: { order: "7" },
    error: null,
  });
  expect(response.id).toMatch(/^resp_ue1_[\w-]+$/);
  expect(response._request_id).toMatch(/^req_/);
});

test("a stream is read event by event, and its deltas add up to the text", async () => {
  const types: string[] = [];
  let text = "";
  for await (const event of await client.responses.create({ model, input: PROMPT, stream: true })) {
    types.push(event.type);
    if (event.type === "response.output_text.delta") text += event.delta;
  }
  expect(text).toBe(ANSWER);
  expect([types[0], types.at(-1)]).toEqual(["response.created", "response.completed"]);
});

test("the stream helper gives snapshots and the final response", async () => {
  const stream = client.responses.stream({ model, input: PROMPT, reasoning: { effort: "low", summary: "detailed" } });
  let snapshot = "";
  stream.on("response.output_text.delta", (event) => (snapshot = event.snapshot));
  const response = await stream.finalResponse();
  expect([snapshot, response.output_text, response.status]).toEqual([ANSWER, ANSWER, "completed"]);
  expect(response.output.map(({ type }) => type)).toEqual(["reasoning", "message"]);
});

test.each([
  "refusal",
  "incomplete",
  "reasoning-only",
  "phases",
  "two-messages",
  "chat-compat",
  "no-usage",
  "no-output-in-terminal",
  "no-event-lines",
  "json-for-stream",
  "heartbeat",
])("for emulate/%s, the stream helper returns the same response as a JSON request", async (name) => {
  const streamed = await client.responses.stream({ model: `emulate/${name}`, input: PROMPT }).finalResponse();
  const json = await client.responses.create({ model: `emulate/${name}`, input: PROMPT });
  expect([streamed.status, streamed.output_text]).toEqual([json.status, json.output_text]);
  const kinds = (response: { output: readonly { type: string }[] }): string[] =>
    response.output.map(({ type }) => type);
  expect(kinds(streamed)).toEqual(kinds(json));
});

test.each([model, "emulate/chat-compat"])(
  "parallel function calls of %s work with the full history as input, with and without streaming",
  async (name) => {
    const body = {
      model: name,
      input: [{ role: "user", content: `${PROMPT} both` }] as ResponseInputItem[],
      tools: [WEATHER, TIME],
    };
    for (const first of [await client.responses.create(body), await client.responses.stream(body).finalResponse()]) {
      const calls = (first.output as ResponseOutputItem[]).filter((item) => item.type === "function_call");
      expect(calls.map(({ name: called }) => called)).toEqual(["weather", "time"]);
      const history = [
        ...body.input,
        ...calls.map(({ call_id, name: called, arguments: args }) => ({
          type: "function_call" as const,
          call_id,
          name: called,
          arguments: args,
        })),
        ...calls.map(outputOf),
      ];
      const second = await client.responses.create({ ...body, input: history });
      expect(second.output_text).toBe(
        `You said: "${PROMPT} both". Function outputs: "weather is fine", "time is fine".`,
      );
    }
  },
);

test.each([
  [model, "upstream"],
  ["emulate/chat-compat", "replayed"],
  ["emulate/forgets-chain", "replayed"],
  ["emulate/shares-nothing", "replayed"],
])("a function call of %s works with previous_response_id (x-continuity: %s)", async (name, continuity) => {
  const body = { model: name, tools: [WEATHER] } satisfies Partial<ResponseCreateParamsNonStreaming>;
  const first = await client.responses.create({ ...body, input: PROMPT });
  const call = first.output.find((item) => item.type === "function_call") ?? expect.fail("no call");
  const next = { ...body, input: [outputOf(call)], previous_response_id: first.id };
  const { data: second, response } = await client.responses.create(next).withResponse();
  expect(response.headers.get("x-continuity")).toBe(continuity);
  expect(second.output_text).toBe(`${ANSWER} Function outputs: "weather is fine".`);
  expect(second.previous_response_id).toBe(first.id);
  expect((await client.responses.stream(next).finalResponse()).output_text).toBe(second.output_text);
});

test("parse reads structured output with a zod schema, from JSON and from a stream", async () => {
  const Person = z.object({ name: z.string(), age: z.number().int() });
  const body = { model, input: PROMPT, text: { format: zodTextFormat(Person, "person") } };
  const json = await client.responses.parse(body);
  expect(Person.parse(json.output_parsed)).toEqual(json.output_parsed);
  const streamed = await client.responses.stream(body).finalResponse();
  expect(streamed.output_parsed).toEqual(json.output_parsed);
});

test("a client that aborts mid-stream stops the upstream call", async () => {
  const stream = await client.responses.create({
    model: "emulate/slow/100",
    input: PROMPT.repeat(50).replaceAll("r", "r "),
    stream: true,
  });
  for await (const event of stream) if (event.type === "response.output_text.delta") break;
  await until(() => expect(gateway.lastCall().ended).toBe("client_left"));
  const abort = new AbortController();
  const helper = client.responses.stream(
    { model: "emulate/slow/100", input: PROMPT.repeat(50).replaceAll("r", "r ") },
    { signal: abort.signal },
  );
  helper.on("response.output_text.delta", () => abort.abort());
  expect(await failure(helper.finalResponse())).toBeInstanceOf(APIUserAbortError);
  await until(() => expect(gateway.lastCall().ended).toBe("client_left"));
});

test("an unknown previous_response_id is a BadRequestError that names the field", async () => {
  const { id } = await client.responses.create({ model, input: PROMPT });
  for (const previous_response_id of [`${id.slice(0, -4)}AAAA`, "resp_ue1_nothing", "resp_0123456789abcdef"]) {
    const error = await failure(client.responses.create({ model, input: PROMPT, previous_response_id }));
    expect(error).toBeInstanceOf(BadRequestError);
    expect(error).toMatchObject({
      status: 400,
      code: "previous_response_not_found",
      param: "previous_response_id",
      type: "invalid_request_error",
    });
  }
});

test("a wrong key is an AuthenticationError, and upstream is not called", async () => {
  const stranger = new OpenAI({ baseURL: gateway.baseURL, apiKey: "sk-somebody-else", fetch: gateway.fetch });
  for (const work of [
    () => stranger.responses.create({ model, input: PROMPT }),
    () => stranger.responses.retrieve("resp_x"),
    () => stranger.models.list(),
  ]) {
    const error = await failure(work());
    expect(error).toBeInstanceOf(AuthenticationError);
    expect(error).toMatchObject({ status: 401, code: "invalid_api_key", type: "invalid_request_error" });
  }
  expect(gateway.emulator.received).toEqual([]);
});

test("429 is a RateLimitError, and the SDK's retry after Retry-After succeeds", async () => {
  const limited = await failure(client.responses.create({ model: "emulate/429-retry-after/1", input: PROMPT }));
  expect(limited).toBeInstanceOf(RateLimitError);
  expect(limited).toMatchObject({ code: "rate_limit_exceeded", headers: expect.objectContaining({}) });
  expect((limited as RateLimitError).headers?.get("retry-after")).toBe("1");
  expect(gateway.emulator.calls()).toBe(1);
  gateway.emulator.clear();
  const began = performance.now();
  const response = await client.responses.create({ model: "emulate/429-once/1", input: PROMPT }, { maxRetries: 2 });
  expect(response.output_text).toBe(ANSWER);
  expect(gateway.emulator.calls()).toBe(2);
  expect(performance.now() - began).toBeGreaterThan(900);
  expect(performance.now() - began).toBeLessThan(10_000);
});

test.each(["500", "reset-before-headers", "520"])(
  "emulate/%s may have been paid, so the SDK does not retry it, with or without streaming",
  async (name) => {
    for (const stream of [false, true]) {
      gateway.emulator.clear();
      const error = await failure(
        client.responses.create({ model: `emulate/${name}`, input: PROMPT, stream }, { maxRetries: 2 }),
      );
      expect(error).toBeInstanceOf(InternalServerError);
      expect(error).toMatchObject({
        status: 502,
        code: "server_error",
        type: "server_error",
        error: { detail_code: "upstream_error" },
      });
      expect(gateway.emulator.calls()).toBe(1);
    }
  },
);

test.each(["cut", "reset", "bare-json", "error-event"])(
  "a stream that breaks (emulate/%s) is an APIError with OpenAI's code, in an iteration and in the helper, after one upstream call",
  async (name) => {
    const body = { model: `emulate/${name}`, input: PROMPT };
    const iterate = async (): Promise<void> => {
      for await (const _ of await client.responses.create({ ...body, stream: true }, { maxRetries: 2 }));
    };
    for (const work of [iterate, () => client.responses.stream(body, { maxRetries: 2 }).finalResponse()]) {
      gateway.emulator.clear();
      const error = await failure(work());
      expect(error).toBeInstanceOf(APIError);
      expect(error).toMatchObject({ code: "server_error" });
      expect(gateway.emulator.calls()).toBe(1);
      await sleep(50);
      expect(gateway.responses.at(-1)?.text).not.toContain("[DONE]");
    }
  },
);

test.each(["cut", "reset", "bare-json"])(
  "with an Idempotency-Key, a failure after the headers (emulate/%s) is paid once, and every retry gets the same error",
  async (name) => {
    const body = { model: `emulate/${name}`, input: PROMPT };
    const options = { maxRetries: 2, headers: { "Idempotency-Key": crypto.randomUUID() } };
    const iterate = async (): Promise<void> => {
      for await (const _ of await client.responses.create({ ...body, stream: true }, options));
    };
    for (const _ of [1, 2]) {
      const error = await failure(client.responses.create(body, options));
      expect(error).toBeInstanceOf(InternalServerError);
      expect(error).toMatchObject({ status: 502, code: "server_error" });
      expect(await failure(iterate())).toMatchObject({ code: "server_error" });
    }
    expect(gateway.emulator.calls()).toBe(1);
  },
);

test("with an Idempotency-Key, the SDK's retry after a broken connection gets the answer of the first call", async () => {
  let requests = 0;
  const flakyFetch: typeof fetch = async (input, init) => {
    const response = await gateway.fetch(input, init);
    if (requests++ > 0) return response;
    await response.body?.cancel();
    throw new TypeError("the connection broke");
  };
  const retrying = new OpenAI({ baseURL: gateway.baseURL, apiKey: SERVER_KEY, maxRetries: 2, fetch: flakyFetch });
  const response = await retrying.responses.create(
    { model, input: PROMPT },
    { headers: { "Idempotency-Key": crypto.randomUUID() } },
  );
  expect([response.output_text, requests, gateway.emulator.calls()]).toEqual([ANSWER, 2, 1]);
});

test("a stored response can be read as a stream, from its beginning or after an event, and by responses.stream", async () => {
  const response = await client.responses.create({ model, input: PROMPT });
  const read = async (starting_after?: number): Promise<ResponseStreamEvent[]> => {
    const query = {
      stream: true as const,
      include_obfuscation: false,
      ...(starting_after === undefined ? {} : { starting_after }),
    };
    const events = [];
    for await (const event of await client.responses.retrieve(response.id, query)) events.push(event);
    return events;
  };
  const events = await until(() => read());
  expect(events.at(-1)).toMatchObject({ type: "response.completed", response: { output_text: ANSWER } });
  expect(await read(3)).toEqual(events.filter(({ sequence_number }) => sequence_number > 3));
  const seen: number[] = [];
  const stream = client.responses.stream({ response_id: response.id, starting_after: 3 });
  stream.on("event", (event) => void seen.push(event.sequence_number));
  expect((await stream.finalResponse()).output_text).toBe(ANSWER);
  expect(seen).toEqual(events.map(({ sequence_number }) => sequence_number).filter((number) => number > 3));
});

test("models.retrieve returns a model of the list, and fails for any other name with OpenAI's error", async () => {
  const [first] = (await client.models.list()).data;
  expect(await client.models.retrieve(first?.id ?? "")).toEqual(first);
  const error = await failure(client.models.retrieve("gpt-0"));
  expect(error).toBeInstanceOf(NotFoundError);
  expect(error).toMatchObject({ code: "model_not_found", type: "invalid_request_error", param: "model" });
});

test("an SDK method that has no route here fails with a message that names the alternative", async () => {
  for (const [work, instead] of [
    [
      () => client.chat.completions.create({ model, messages: [{ role: "user", content: PROMPT }] }),
      "POST /v1/responses",
    ],
    [() => client.conversations.create({}), "previous_response_id"],
    [() => client.responses.inputTokens.count({ model, input: PROMPT }), "usage"],
    [() => client.responses.compact({ model, input: PROMPT }), "previous_response_id"],
    [() => client.embeddings.create({ model, input: PROMPT }), "UniAPI"],
  ] as const) {
    const error = await failure(work());
    expect(error).toBeInstanceOf(NotFoundError);
    expect(error.message).toContain(instead);
  }
});

test("retrieve, inputItems.list and delete work by id, and a deleted response is gone", async () => {
  const response = await client.responses.create({ model, input: PROMPT, metadata: { order: "7" } });
  const again = await until(() => client.responses.retrieve(response.id));
  expect(again).toMatchObject({
    id: response.id,
    output: response.output,
    output_text: ANSWER,
    usage: response.usage,
    metadata: { order: "7" },
  });
  const items = [];
  for await (const item of client.responses.inputItems.list(response.id, { order: "asc" })) items.push(item);
  const content = [{ type: "input_text", text: PROMPT }];
  expect(items).toEqual([{ id: expect.any(String), type: "message", role: "user", status: "completed", content }]);
  await client.responses.delete(response.id);
  for (const work of [() => client.responses.retrieve(response.id), () => client.responses.delete(response.id)]) {
    expect(await failure(work())).toBeInstanceOf(NotFoundError);
  }
  expect(
    await failure(client.responses.create({ model, input: PROMPT, previous_response_id: response.id })),
  ).toMatchObject({
    code: "previous_response_not_found",
  });
});

test.each([
  ["JSON", false],
  ["a stream", true],
])(
  "six turns by previous_response_id as %s: every answer knows the conversation, even though upstream first deletes and then ignores the chain",
  async (_, stream) => {
    const texts: string[] = [];
    let previous_response_id: string | null = null;
    for (let turn = 1; turn <= 6; turn += 1) {
      if (turn === 3) gateway.emulator.deleteResponses();
      texts.push(`${PROMPT} ${turn}`);
      const body = {
        model: turn < 5 ? model : "emulate/ignores-chain",
        input: texts.at(-1) ?? "",
        previous_response_id,
      };
      const response: OpenAI.Responses.Response = stream
        ? await client.responses.stream(body).finalResponse()
        : await client.responses.create(body);
      const before = texts.slice(0, -1).map((text) => `"${text}"`);
      const now = `You said: "${texts.at(-1)}".`;
      expect(response.output_text).toBe(
        turn === 1 ? now : `Turn ${turn}. ${now} Before that you said: ${before.join(", ")}.`,
      );
      expect(response.previous_response_id).toBe(previous_response_id);
      previous_response_id = response.id;
    }
  },
);
