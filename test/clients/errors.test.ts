// Failures as the `openai` SDK and the AI SDK see them: each distinguishes them by OpenAI's statuses, types and codes, and so do the agents that
// are built on them.
import { createOpenAI } from "@ai-sdk/openai";
import { APICallError, generateText, streamText } from "ai";
import OpenAI, { type APIError, BadRequestError, NotFoundError, RateLimitError } from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Gateway, PROMPT, SERVER_KEY, startGateway } from "./gateway.ts";

let gateway: Gateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());
beforeEach(() => gateway.emulator.clear());

const failureOf = async (work: Promise<unknown>): Promise<Error> =>
  await work.then(
    () => expect.fail("did not fail"),
    (error: unknown) => error as Error,
  );

const RATE_LIMIT = {
  status: 429,
  type: "rate_limit_error",
  code: "rate_limit_exceeded",
  detail_code: "upstream_rate_limited",
  error: RateLimitError,
};
const QUOTA = {
  status: 429,
  type: "insufficient_quota",
  code: "insufficient_quota",
  detail_code: "upstream_quota",
  error: RateLimitError,
};
const CONTEXT = {
  status: 400,
  type: "invalid_request_error",
  code: "context_length_exceeded",
  detail_code: "upstream_rejected",
  error: BadRequestError,
};
const UNKNOWN_MODEL = {
  status: 400,
  type: "invalid_request_error",
  code: "model_not_found",
  detail_code: "upstream_rejected",
  error: BadRequestError,
};

const FAILURES = Object.entries({
  "rate-limit-as-error": RATE_LIMIT,
  "rate-limit-as-error-in-200": RATE_LIMIT,
  "rate-limit-as-error-in-event": RATE_LIMIT,
  "rate-limit-as-error-in-failed": RATE_LIMIT,
  "quota-as-error": QUOTA,
  "quota-as-error-in-event": QUOTA,
  "quota-as-error-in-failed": QUOTA,
  "context-as-error": CONTEXT,
  "context-as-error-in-event": CONTEXT,
  "context-as-error-in-failed": CONTEXT,
  "404-model": UNKNOWN_MODEL,
});

describe.each(FAILURES)("emulate/%s", (name, { status, type, code, detail_code, error: expected }) => {
  const model = `emulate/${name}`;

  test.each([
    ["as JSON", false],
    ["as a stream", true],
  ])("the openai SDK throws its own class, with OpenAI's type and code, %s", async (_, stream) => {
    const client = new OpenAI({
      baseURL: gateway.baseURL,
      apiKey: SERVER_KEY,
      maxRetries: 0,
      fetch: gateway.fetch,
    });
    const error = await failureOf(client.responses.create({ model, input: PROMPT, stream }));
    expect(error).toBeInstanceOf(expected);
    expect(error).toMatchObject({ status, type, code, error: { detail_code } });
    expect((error as APIError).requestID).toMatch(/^req_/);
  });

  test.each([
    ["as JSON", false],
    ["as a stream", true],
  ])("the AI SDK throws an APICallError with the message and the status, %s", async (_, stream) => {
    const provider = createOpenAI({ baseURL: gateway.baseURL, apiKey: SERVER_KEY, fetch: gateway.fetch });
    const options = { model: provider(model), prompt: PROMPT, maxRetries: 0 };
    const errors: unknown[] = [];
    const error = stream
      ? (await streamText({ ...options, onError: ({ error: thrown }) => void errors.push(thrown) }).consumeStream(),
        errors[0])
      : await failureOf(generateText(options));
    expect(APICallError.isInstance(error)).toBe(true);
    const { statusCode, data, message } = error as APICallError;
    expect([statusCode, data]).toMatchObject([status, { error: { type, code, message } }]);
  });
});

test.each([
  ["cut", 500, "server_error", "ended before the answer was complete"],
  ["rate-limit-as-error-in-late-event", 429, "rate_limit_exceeded", "Try again in"],
  ["quota-as-error-in-late-event", 429, "insufficient_quota", "has no credit"],
  ["context-as-error-in-late-failed", 400, "context_length_exceeded", "context window"],
])(
  "after the first output of emulate/%s, the AI SDK reports status %i, the openai SDK the code %s, and both the reason",
  async (name, statusCode, code, reason) => {
    const model = `emulate/${name}`;
    const { baseURL, fetch } = gateway;
    const provider = createOpenAI({ baseURL, apiKey: SERVER_KEY, fetch });
    const prompt = `${PROMPT} and more`;
    const parts = [];
    const result = streamText({ model: provider(model), prompt, maxRetries: 0, onError: () => undefined });
    for await (const part of result.stream) {
      parts.push(part);
      if (part.type === "error") break;
    }
    const message = expect.stringContaining(reason) as string;
    expect(parts.at(-1)).toMatchObject({ type: "error", error: { statusCode, message } });
    expect(parts.map(({ type }) => type)).toContain("text-delta");
    const client = new OpenAI({ baseURL, apiKey: SERVER_KEY, maxRetries: 2, fetch });
    const stream = client.responses.stream({ model, input: prompt });
    expect(await failureOf(stream.finalResponse())).toMatchObject({ code, message });
    expect(gateway.emulator.calls()).toBe(2);
  },
);

test("the openai SDK does not retry a used-up quota", async () => {
  const client = new OpenAI({ baseURL: gateway.baseURL, apiKey: SERVER_KEY, maxRetries: 2, fetch: gateway.fetch });
  const error = await failureOf(client.responses.create({ model: "emulate/quota-as-error", input: PROMPT }));
  expect(error).toMatchObject({ code: "insufficient_quota" });
  expect(gateway.emulator.calls()).toBe(1);
});

test("the AI SDK does not retry a wrong key", async () => {
  const stranger = createOpenAI({ baseURL: gateway.baseURL, apiKey: "sk-somebody-else", fetch: gateway.fetch });
  const error = await failureOf(generateText({ model: stranger("gpt-6-sol"), prompt: PROMPT }));
  expect(error).toMatchObject({ statusCode: 401, data: { error: { code: "invalid_api_key" } } });
  expect(gateway.emulator.received).toEqual([]);
});

test("a response or a model that does not exist is a NotFoundError", async () => {
  const client = new OpenAI({ baseURL: gateway.baseURL, apiKey: SERVER_KEY, fetch: gateway.fetch });
  expect(await failureOf(client.responses.retrieve("resp_nothing"))).toBeInstanceOf(NotFoundError);
  expect(await failureOf(client.models.retrieve("no-such-model"))).toBeInstanceOf(NotFoundError);
});
