// Clients with nothing but a base URL and a key, in front of a reasoning model on a relay whose backends share nothing: no response, no
// item, no key for encrypted reasoning. Their second request returns what the first answer gave them, each client in its own way.
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenResponses } from "@ai-sdk/open-responses";
import { type AIMessageChunk, type BaseMessage, HumanMessage, type ToolMessage } from "@langchain/core/messages";
import { tool as langchainTool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import {
  Agent,
  MemorySession,
  run,
  setDefaultOpenAIClient,
  setTracingDisabled,
  tool as agentTool,
} from "@openai/agents";
import {
  generateText,
  isStepCount,
  type LanguageModel,
  type ModelMessage,
  Output,
  streamText,
  tool,
  type ToolSet,
} from "ai";
import OpenAI from "openai";
import { zodResponsesFunction, zodTextFormat } from "openai/helpers/zod";
import type { ResponseInputItem, ResponseOutputItem } from "openai/resources/responses/responses";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import * as z from "zod";
import { type Gateway, PROMPT, SERVER_KEY, startGateway } from "./gateway.ts";

/** SDKs infer from the name that the model reasons. */
const MODEL = "gpt-6-sol/emulate/shares-nothing";
const City = z.object({ city: z.string() });
const Person = z.object({ name: z.string(), age: z.number() });
const report = ({ city }: z.infer<typeof City>): string => `sunny in ${city}`;
const timeOf = ({ city }: z.infer<typeof City>): string => `noon in ${city}`;

interface Client {
  /** Asks with the tools `weather` and `time` until the model answers in text. */
  useTools: (prompt: string, stream: boolean) => Promise<string>;
  /** Asks one question after the other, each with the history as this client keeps it. @returns the answers */
  chat: (prompts: readonly string[], stream: boolean) => Promise<string[]>;
}

let gateway: Gateway;
const clients: Record<string, () => Client> = {
  "@ai-sdk/openai": () => aiSdk(createOpenAI({ ...settings(), fetch: gateway.fetch })(MODEL)),
  "@ai-sdk/open-responses": () => {
    const { baseURL, apiKey } = settings();
    const name = "uniapi-edge";
    return aiSdk(createOpenResponses({ name, url: `${baseURL}/responses`, apiKey, fetch: gateway.fetch })(MODEL));
  },
  "@openai/agents": agentsSdk,
  openai: openaiSdk,
  "@langchain/openai": langchain,
};
beforeAll(async () => {
  gateway = await startGateway();
  setDefaultOpenAIClient(new OpenAI({ ...settings(), fetch: gateway.fetch }));
  setTracingDisabled(true);
});
afterAll(() => gateway.stop());
beforeEach(() => gateway.emulator.clear());

const settings = (): { baseURL: string; apiKey: string } => ({ baseURL: gateway.baseURL, apiKey: SERVER_KEY });

const aiTools = {
  weather: tool({ inputSchema: City, execute: report }),
  time: tool({ inputSchema: City, execute: timeOf }),
};

function aiSdk(model: LanguageModel): Client {
  return {
    async useTools(prompt, stream) {
      const options = { model, prompt, tools: aiTools, stopWhen: isStepCount(5) };
      return stream ? await streamText(options).text : (await generateText(options)).text;
    },
    async chat(prompts, stream) {
      const messages: ModelMessage[] = [];
      const texts: string[] = [];
      for (const content of prompts) {
        messages.push({ role: "user", content });
        const result = stream ? streamText({ model, messages }) : await generateText({ model, messages });
        texts.push(await result.text);
        messages.push(...(await result.response).messages);
      }
      return texts;
    },
  };
}

function agentsSdk(): Client {
  const parameters = City;
  const tools = [
    agentTool({ name: "weather", description: "The weather in a city", parameters, execute: report }),
    agentTool({ name: "time", description: "The time in a city", parameters, execute: timeOf }),
  ];
  const ask = async (agent: Agent, prompt: string, stream: boolean, session?: MemorySession): Promise<string> => {
    const options = session === undefined ? {} : { session };
    if (!stream) return String((await run(agent, prompt, options)).finalOutput);
    const result = await run(agent, prompt, { ...options, stream: true });
    await result.completed;
    return String(result.finalOutput);
  };
  return {
    useTools: (prompt, stream) => ask(new Agent({ name: "Guide", model: MODEL, tools }), prompt, stream),
    async chat(prompts, stream) {
      const agent = new Agent({ name: "Talker", model: MODEL });
      const session = new MemorySession();
      const texts: string[] = [];
      for (const prompt of prompts) texts.push(await ask(agent, prompt, stream, session));
      return texts;
    },
  };
}

/** The loop of OpenAI's documentation: what came out goes back in, unchanged. */
function openaiSdk(): Client {
  const client = new OpenAI({ ...settings(), fetch: gateway.fetch });
  const tools = [
    zodResponsesFunction({ name: "weather", parameters: City }),
    zodResponsesFunction({ name: "time", parameters: City }),
  ];
  const ask = async (input: ResponseInputItem[], stream: boolean, withTools: boolean) => {
    const body = { model: MODEL, input, ...(withTools ? { tools } : {}) };
    const response = stream ? await client.responses.stream(body).finalResponse() : await client.responses.create(body);
    const output = response.output as ResponseOutputItem[];
    input.push(...(output as ResponseInputItem[]));
    return { calls: output.filter((item) => item.type === "function_call"), text: response.output_text };
  };
  return {
    async useTools(prompt, stream) {
      const input: ResponseInputItem[] = [{ role: "user", content: prompt }];
      for (;;) {
        const { calls, text } = await ask(input, stream, true);
        if (calls.length === 0) return text;
        for (const { name, call_id, arguments: args } of calls) {
          const city = City.parse(JSON.parse(args));
          input.push({ type: "function_call_output", call_id, output: (name === "time" ? timeOf : report)(city) });
        }
      }
    },
    async chat(prompts, stream) {
      const input: ResponseInputItem[] = [];
      const texts: string[] = [];
      for (const content of prompts) {
        input.push({ role: "user", content });
        texts.push((await ask(input, stream, false)).text);
      }
      return texts;
    },
  };
}

function langchain(): Client {
  const { baseURL, apiKey } = settings();
  const model = new ChatOpenAI({
    model: MODEL,
    apiKey,
    useResponsesApi: true,
    configuration: { baseURL, fetch: gateway.fetch },
  });
  const weather = langchainTool(report, { name: "weather", description: "The weather in a city", schema: City });
  const time = langchainTool(timeOf, { name: "time", description: "The time in a city", schema: City });
  const withTools = model.bindTools([weather, time]);
  const ask = async (asked: typeof withTools | typeof model, messages: BaseMessage[], stream: boolean) => {
    if (!stream) return await asked.invoke(messages);
    let whole: AIMessageChunk | undefined;
    for await (const chunk of await asked.stream(messages)) whole = whole?.concat(chunk) ?? chunk;
    return whole ?? expect.fail("an empty stream");
  };
  return {
    async useTools(prompt, stream) {
      const messages: BaseMessage[] = [new HumanMessage(prompt)];
      for (;;) {
        const answer = await ask(withTools, messages, stream);
        messages.push(answer);
        if (!answer.tool_calls?.length) return answer.text;
        for (const call of answer.tool_calls)
          messages.push((await (call.name === "time" ? time : weather).invoke(call)) as ToolMessage);
      }
    },
    async chat(prompts, stream) {
      const messages: BaseMessage[] = [];
      const texts: string[] = [];
      for (const prompt of prompts) {
        messages.push(new HumanMessage(prompt));
        const answer = await ask(model, messages, stream);
        messages.push(answer);
        texts.push(answer.text);
      }
      return texts;
    },
  };
}

const lastInput = (): string => JSON.stringify(gateway.sent().at(-1)?.["input"]);

describe.each(Object.keys(clients))("%s", (name) => {
  let client: Client;
  beforeAll(() => {
    client = clients[name]?.() ?? expect.fail("no such client");
  });

  describe.each([
    ["as JSON", false],
    ["as a stream", true],
  ])("%s", (_, stream) => {
    test("a tool loop of two steps ends in text", async () => {
      expect(await client.useTools(PROMPT, stream)).toBe(
        `You said: "${PROMPT}". Function outputs: "sunny in ${PROMPT}".`,
      );
      expect(gateway.emulator.calls()).toBeLessThanOrEqual(3);
    });

    test("a tool loop of three steps ends in text", async () => {
      const prompt = `${PROMPT} twice`;
      expect(await client.useTools(prompt, stream)).toBe(
        `You said: "${prompt}". Function outputs: "sunny in ${prompt}", "sunny in ${prompt}".`,
      );
      expect(gateway.emulator.calls()).toBeLessThanOrEqual(5);
    });

    test("parallel calls get their outputs", async () => {
      const prompt = `${PROMPT} both`;
      expect(await client.useTools(prompt, stream)).toBe(
        `You said: "${prompt}". Function outputs: "sunny in ${prompt}", "noon in ${prompt}".`,
      );
    });

    test("a third question is asked with both earlier questions and answers", async () => {
      const prompts = [PROMPT, `${PROMPT} 2`, `${PROMPT} 3`];
      const texts = await client.chat(prompts, stream);
      expect(texts.at(-1)).toBe(`Turn 3. You said: "${PROMPT} 3". Before that you said: "${PROMPT}", "${PROMPT} 2".`);
      for (const text of texts.slice(0, 2)) expect(lastInput()).toContain(JSON.stringify(text).slice(1, -1));
      expect(lastInput()).not.toMatch(/item_reference|rs_|encrypted_content/);
    });
  });
});

test("the AI SDK parses a structured output after a tool loop, with and without streaming", async () => {
  const model = createOpenAI({ ...settings(), fetch: gateway.fetch })(MODEL);
  const output = Output.object({ schema: Person });
  const options = { model, prompt: PROMPT, tools: aiTools, output, stopWhen: isStepCount(5) };
  const person = { name: expect.any(String) as string, age: expect.any(Number) as number };
  expect((await generateText(options)).output).toEqual(person);
  expect(await streamText(options).output).toEqual(person);
});

test("the AI SDK's references to a hosted tool's trace, and its whole reasoning items under store: false, are left out", async () => {
  const openai = createOpenAI({ ...settings(), fetch: gateway.fetch });
  const chat = async (options: {
    tools?: ToolSet;
    providerOptions?: Record<string, { store: boolean }>;
  }): Promise<string> => {
    const messages: ModelMessage[] = [{ role: "user", content: PROMPT }];
    const { text, response } = await generateText({ model: openai(MODEL), messages, ...options });
    messages.push(...response.messages, { role: "user", content: `${PROMPT} 2` });
    const second = await generateText({ model: openai(MODEL), messages, ...options });
    expect(second.text).toContain(`Before that you said: "${PROMPT}".`);
    expect(lastInput()).toContain(JSON.stringify(text).slice(1, -1));
    return lastInput();
  };
  const web_search = openai.tools.webSearch({});
  const left = /item_reference|rs_|ws_|encrypted_content/;
  expect(await chat({ tools: { web_search } })).not.toMatch(left);
  expect(gateway.responses.at(-2)?.text).toContain("web_search_call");
  expect(await chat({ providerOptions: { openai: { store: false } } })).not.toMatch(left);
});

test("the openai SDK's parsed outputs can be sent back unchanged; the SDK's own keys don't reach upstream", async () => {
  const client = new OpenAI({ ...settings(), fetch: gateway.fetch });
  const input: ResponseInputItem[] = [];
  const ask = (content: string): Promise<unknown> => {
    input.push({ role: "user", content });
    const body = { model: MODEL, input, text: { format: zodTextFormat(Person, "person") } };
    return client.responses.parse(body).then(({ output, output_parsed }) => {
      input.push(...(output as ResponseInputItem[]));
      return output_parsed;
    });
  };
  const first = await ask(PROMPT);
  expect(await ask(`${PROMPT} 2`)).toMatchObject({ name: expect.any(String) as string });
  expect(lastInput()).toContain(JSON.stringify(JSON.stringify(first)).slice(1, -1));
  expect(lastInput()).not.toMatch(/"parsed"|rs_/);
});

test("a handoff of the Agents SDK reaches the second agent with the whole conversation", async () => {
  const other = new Agent({ name: "Other", model: MODEL, handoffDescription: "Answers" });
  const triage = Agent.create({ name: "Triage", model: MODEL, handoffs: [other] });
  const result = await run(triage, PROMPT);
  expect(result.lastAgent?.name).toBe("Other");
  expect(result.finalOutput).toContain(`You said: "${PROMPT}". Function outputs:`);
});
