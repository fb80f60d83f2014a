// The AI SDK against the production bundle, through both of its providers, and the OpenAI Agents SDK. They read answers strictly,
// send items back by their ids, and retry in their own ways.
import { createOpenAI, type OpenAILanguageModelResponsesOptions } from "@ai-sdk/openai";
import { createOpenResponses } from "@ai-sdk/open-responses";
import { Agent, run, setDefaultOpenAIClient, setTracingDisabled, tool as agentTool } from "@openai/agents";
import {
  APICallError,
  generateText,
  isStepCount,
  type LanguageModel,
  Output,
  pruneMessages,
  streamText,
  tool,
} from "ai";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import * as z from "zod";
import { type Gateway, PROMPT, SERVER_KEY, startGateway } from "./gateway.ts";

let gateway: Gateway;
let providers: Record<string, (model: string) => LanguageModel>;
beforeAll(async () => {
  gateway = await startGateway();
  const { baseURL, fetch } = gateway;
  const openai = createOpenAI({ baseURL, apiKey: SERVER_KEY, fetch });
  providers = {
    openai: (model) => openai.responses(model),
    "open-responses": createOpenResponses({
      name: "uniapi-edge",
      url: `${baseURL}/responses`,
      apiKey: SERVER_KEY,
      fetch,
    }),
  };
  setDefaultOpenAIClient(new OpenAI({ baseURL, apiKey: SERVER_KEY, maxRetries: 0, fetch }));
  setTracingDisabled(true);
});
afterAll(() => gateway.stop());
beforeEach(() => gateway.emulator.clear());

const MODEL = "gpt-6-sol";
const SAID = `You said: "${PROMPT}".`;
const TOLD = `${SAID} Function outputs: "sunny in ${PROMPT}".`;
const tools = {
  weather: tool({ inputSchema: z.object({ city: z.string() }), execute: ({ city }) => `sunny in ${city}` }),
};
const REASONS = { reasoningEffort: "low", reasoningSummary: "detailed" } satisfies OpenAILanguageModelResponsesOptions;
/** Its name does not tell the SDK that it reasons. */
const FORGETS = { model: "emulate/forgets-items", openai: { ...REASONS, forceReasoning: true } };

describe.each(["openai", "open-responses"])("the provider %s", (name) => {
  const modelOf = (model: string): LanguageModel => providers[name]?.(model) ?? expect.fail("no such provider");
  const providerOptions = { openai: REASONS, "uniapi-edge": REASONS };

  test("generateText and streamText say the same, with usage", async () => {
    const asked = { model: modelOf(MODEL), prompt: PROMPT, maxRetries: 0 };
    const whole = await generateText(asked);
    expect([whole.text, whole.finishReason]).toEqual([SAID, "stop"]);
    const stream = streamText(asked);
    let text = "";
    for await (const delta of stream.textStream) text += delta;
    expect([text, await stream.finishReason, await stream.usage]).toEqual([SAID, "stop", whole.usage]);
    expect(whole.usage.totalTokens).toBeGreaterThan(0);
  });

  test("a structured output is read by its schema", async () => {
    const output = Output.object({ schema: z.object({ name: z.string(), age: z.number() }) });
    const whole = await generateText({ model: modelOf(MODEL), prompt: PROMPT, output });
    expect(whole.output).toEqual({ name: expect.any(String) as string, age: expect.any(Number) as number });
    expect(await streamText({ model: modelOf(MODEL), prompt: PROMPT, output }).output).toEqual(whole.output);
  });

  test("a tool loop of two steps ends in text, with a reasoning item on the way, streamed and not", async () => {
    const asked = {
      model: modelOf(MODEL),
      prompt: PROMPT,
      tools,
      stopWhen: isStepCount(3),
      providerOptions,
      maxRetries: 0,
    };
    const whole = await generateText(asked);
    expect([whole.text, whole.steps.length]).toEqual([TOLD, 2]);
    expect(whole.steps[0]?.reasoningText).toContain("Reading");
    const stream = streamText(asked);
    expect(await stream.text).toBe(TOLD);
    expect(gateway.emulator.calls()).toBe(4);
  });

  test.each(["chat-compat", "id-changes", "no-id", "no-usage", "phases", "heartbeat", "no-output-in-terminal"])(
    "streams of emulate/%s are text",
    async (fault) => {
      const stream = streamText({ model: modelOf(`emulate/${fault}`), prompt: PROMPT, maxRetries: 0 });
      expect(await stream.text).toMatch(/You said: "zebra-marker"\.$/);
    },
  );

  test.each(["cut", "error-event", "500"])(
    "a stream that fails (emulate/%s) is an error, and never a short text",
    async (fault) => {
      const errors: unknown[] = [];
      const asked = {
        model: modelOf(`emulate/${fault}`),
        prompt: PROMPT,
        maxRetries: 0,
        onError: ({ error }: { error: unknown }) => void errors.push(error),
      };
      await expect(
        (async () => {
          for await (const part of streamText(asked).stream) if (part.type === "error") throw part.error;
        })(),
      ).rejects.toThrow();
      expect(gateway.emulator.calls()).toBe(1);
    },
  );

  test("what upstream refused is an APICallError with our sentence", async () => {
    const error = await generateText({ model: modelOf("emulate/401"), prompt: PROMPT, maxRetries: 0 }).catch(
      (thrown: unknown) => thrown,
    );
    expect(APICallError.isInstance(error)).toBe(true);
    expect((error as APICallError).message).toContain("UniAPI refused this Worker's own key");
  });
});

describe("where the relay forgets the items that the AI SDK refers to", () => {
  const looping = (openai: OpenAILanguageModelResponsesOptions, prunes: boolean) => ({
    model: providers["openai"]?.(FORGETS.model) ?? expect.fail("no such provider"),
    prompt: PROMPT,
    tools,
    stopWhen: isStepCount(3),
    maxRetries: 0,
    providerOptions: { openai },
    ...(prunes
      ? {
          prepareStep: ({ messages }: { messages: Parameters<typeof pruneMessages>[0]["messages"] }) => ({
            messages: pruneMessages({ messages, reasoning: "all" }),
          }),
        }
      : {}),
  });

  test("the 400 names the remedy and none of upstream's ids", async () => {
    const error = await generateText(looping(FORGETS.openai, false)).catch((thrown: unknown) => thrown);
    expect(APICallError.isInstance(error)).toBe(true);
    const { message, statusCode } = error as APICallError;
    expect(statusCode).toBe(400);
    expect(message).toContain("store: false");
    expect(message).toContain("pruneMessages");
    expect(message).toContain("previous_response_id");
    expect(message).not.toMatch(/rs_|\[redacted\]/);
    expect(JSON.stringify(gateway.sent().at(-1))).toContain("item_reference");
  });

  test("the remedy of docs/clients.md carries the loop through, streamed and not", async () => {
    const asked = looping({ ...FORGETS.openai, store: false }, true);
    const whole = await generateText(asked);
    expect([whole.text, whole.steps.length]).toEqual([TOLD, 2]);
    expect(await streamText(asked).text).toBe(TOLD);
    expect(JSON.stringify(gateway.sent().map(({ input }) => input))).not.toMatch(/item_reference|rs_/);
  });
});

describe("@openai/agents", () => {
  const agent = new Agent({
    name: "Guide",
    model: MODEL,
    modelSettings: { reasoning: { effort: "low", summary: "detailed" } },
    tools: [
      agentTool({
        name: "weather",
        description: "The weather in a city",
        parameters: z.object({ city: z.string() }),
        execute: ({ city }) => `sunny in ${city}`,
      }),
    ],
  });

  test("a tool loop ends in text, streamed and not", async () => {
    expect((await run(agent, PROMPT)).finalOutput).toBe(TOLD);
    const streamed = await run(agent, PROMPT, { stream: true });
    let text = "";
    for await (const piece of streamed.toTextStream()) text += piece;
    await streamed.completed;
    expect([text, streamed.finalOutput]).toEqual([TOLD, TOLD]);
    expect(gateway.emulator.calls()).toBe(4);
  });

  test("where the relay forgets items, reasoningItemIdPolicy: omit keeps the loop going", async () => {
    const forgetting = agent.clone({ model: FORGETS.model });
    await expect(run(forgetting, PROMPT)).rejects.toThrow("leave reasoning items out");
    expect((await run(forgetting, PROMPT, { reasoningItemIdPolicy: "omit" })).finalOutput).toBe(TOLD);
  });

  test("turns by previousResponseId know what was said, though upstream forgets", async () => {
    const talker = new Agent({ name: "Talker", model: MODEL });
    const first = await run(talker, PROMPT);
    gateway.emulator.forget();
    const second = await run(talker, `${PROMPT} 2`, { previousResponseId: first.lastResponseId ?? "" });
    gateway.emulator.forget();
    const third = await run(talker, `${PROMPT} 3`, { previousResponseId: second.lastResponseId ?? "" });
    expect(third.finalOutput).toBe(
      `Turn 3. You said: "${PROMPT} 3". Before that you said: "${PROMPT}", "${PROMPT} 2".`,
    );
  });
});
