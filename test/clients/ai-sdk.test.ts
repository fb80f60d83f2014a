// The AI SDK with both of its providers, and the OpenAI Agents SDK, against the production bundle. They validate answers strictly,
// send items back by id, and retry in their own ways.
import { createOpenAI, type OpenAILanguageModelResponsesOptions } from "@ai-sdk/openai";
import { createOpenResponses } from "@ai-sdk/open-responses";
import { Agent, run, setDefaultOpenAIClient, setTracingDisabled, tool as agentTool } from "@openai/agents";
import { APICallError, generateText, isStepCount, type LanguageModel, Output, streamText, tool } from "ai";
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
const ANSWER = `You said: "${PROMPT}".`;
const ANSWER_WITH_OUTPUT = `${ANSWER} Function outputs: "sunny in ${PROMPT}".`;
const tools = {
  weather: tool({ inputSchema: z.object({ city: z.string() }), execute: ({ city }) => `sunny in ${city}` }),
};
const REASONS = { reasoningEffort: "low", reasoningSummary: "detailed" } satisfies OpenAILanguageModelResponsesOptions;

describe.each(["openai", "open-responses"])("the provider %s", (name) => {
  const modelOf = (model: string): LanguageModel => providers[name]?.(model) ?? expect.fail("no such provider");
  const providerOptions = { openai: REASONS, "uniapi-edge": REASONS };

  test("generateText and streamText return the same text and usage", async () => {
    const options = { model: modelOf(MODEL), prompt: PROMPT, maxRetries: 0 };
    const result = await generateText(options);
    expect([result.text, result.finishReason]).toEqual([ANSWER, "stop"]);
    const stream = streamText(options);
    let text = "";
    for await (const delta of stream.textStream) text += delta;
    expect([text, await stream.finishReason, await stream.usage]).toEqual([ANSWER, "stop", result.usage]);
    expect(result.usage.totalTokens).toBeGreaterThan(0);
  });

  test("a structured output is parsed with its schema", async () => {
    const output = Output.object({ schema: z.object({ name: z.string(), age: z.number() }) });
    const result = await generateText({ model: modelOf(MODEL), prompt: PROMPT, output });
    expect(result.output).toEqual({ name: expect.any(String) as string, age: expect.any(Number) as number });
    expect(await streamText({ model: modelOf(MODEL), prompt: PROMPT, output }).output).toEqual(result.output);
  });

  test("a tool loop of two steps with a reasoning item ends in text, with and without streaming", async () => {
    const options = {
      model: modelOf(MODEL),
      prompt: PROMPT,
      tools,
      stopWhen: isStepCount(3),
      providerOptions,
      maxRetries: 0,
    };
    const result = await generateText(options);
    expect([result.text, result.steps.length]).toEqual([ANSWER_WITH_OUTPUT, 2]);
    expect(result.steps[0]?.reasoningText).toContain("Reading");
    const stream = streamText(options);
    expect(await stream.text).toBe(ANSWER_WITH_OUTPUT);
    expect(gateway.emulator.calls()).toBe(4);
  });

  test.each(["chat-compat", "id-changes", "no-id", "no-usage", "phases", "heartbeat", "no-output-in-terminal"])(
    "a stream of emulate/%s is read as text",
    async (fault) => {
      const stream = streamText({ model: modelOf(`emulate/${fault}`), prompt: PROMPT, maxRetries: 0 });
      expect(await stream.text).toMatch(/You said: "zebra-marker"\.$/);
    },
  );

  test.each(["cut", "error-event", "500"])(
    "a failed stream (emulate/%s) throws an error instead of ending with truncated text",
    async (fault) => {
      const errors: unknown[] = [];
      const options = {
        model: modelOf(`emulate/${fault}`),
        prompt: PROMPT,
        maxRetries: 0,
        onError: ({ error }: { error: unknown }) => void errors.push(error),
      };
      await expect(
        (async () => {
          for await (const part of streamText(options).stream) if (part.type === "error") throw part.error;
        })(),
      ).rejects.toThrow();
      expect(gateway.emulator.calls()).toBe(1);
    },
  );

  test("upstream's refusal of our key is an APICallError with our message", async () => {
    const error = await generateText({ model: modelOf("emulate/401"), prompt: PROMPT, maxRetries: 0 }).catch(
      (thrown: unknown) => thrown,
    );
    expect(APICallError.isInstance(error)).toBe(true);
    expect((error as APICallError).message).toContain("UniAPI refused this Worker's own key");
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

  test("a tool loop ends in text, with and without streaming", async () => {
    expect((await run(agent, PROMPT)).finalOutput).toBe(ANSWER_WITH_OUTPUT);
    const streamed = await run(agent, PROMPT, { stream: true });
    let text = "";
    for await (const piece of streamed.toTextStream()) text += piece;
    await streamed.completed;
    expect([text, streamed.finalOutput]).toEqual([ANSWER_WITH_OUTPUT, ANSWER_WITH_OUTPUT]);
    expect(gateway.emulator.calls()).toBe(4);
  });

  test("turns linked by previousResponseId know the whole conversation, even after upstream has deleted its responses", async () => {
    const talker = new Agent({ name: "Talker", model: MODEL });
    const first = await run(talker, PROMPT);
    gateway.emulator.deleteResponses();
    const second = await run(talker, `${PROMPT} 2`, { previousResponseId: first.lastResponseId ?? "" });
    gateway.emulator.deleteResponses();
    const third = await run(talker, `${PROMPT} 3`, { previousResponseId: second.lastResponseId ?? "" });
    expect(third.finalOutput).toBe(
      `Turn 3. You said: "${PROMPT} 3". Before that you said: "${PROMPT}", "${PROMPT} 2".`,
    );
  });
});
