// Cached answers and JSON answers, replayed as events. The SDK's stream helper must read them like a fresh stream.
import OpenAI from "openai";
import type {
  Response as ResponseObject,
  ResponseCreateParamsNonStreaming,
  ResponseStreamEvent,
} from "openai/resources/responses/responses";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { until } from "../e2e/worker.ts";
import { type Gateway, PROMPT, SERVER_KEY, startGateway } from "./gateway.ts";

type RequestBody = Omit<ResponseCreateParamsNonStreaming, "stream">;

const FUNCTION = {
  type: "function",
  parameters: { type: "object", properties: { city: { type: "string" } } },
  strict: false,
} as const;
const CACHEABLE: Record<string, RequestBody> = {
  "a text": { model: "gpt-6-sol", input: PROMPT },
  "a reasoning summary": { model: "gpt-6-sol", input: PROMPT, reasoning: { effort: "low", summary: "detailed" } },
  "a refusal": { model: "emulate/refusal", input: PROMPT },
  "two messages": { model: "emulate/two-messages", input: PROMPT },
  "messages in phases": { model: "emulate/phases", input: PROMPT },
  "structured output": {
    model: "gpt-6-sol",
    input: PROMPT,
    text: { format: { type: "json_schema", name: "o", schema: { type: "object" } } },
  },
  "an answer converted from chat": { model: "emulate/chat-compat", input: PROMPT },
};
const NOT_CACHEABLE: Record<string, RequestBody> = {
  "parallel function calls": {
    model: "gpt-6-sol",
    input: `${PROMPT} both`,
    tools: [
      { ...FUNCTION, name: "a" },
      { ...FUNCTION, name: "b" },
    ],
  },
  citations: { model: "gpt-6-sol", input: PROMPT, tools: [{ type: "web_search" }] },
  "an incomplete text": { model: "emulate/incomplete", input: PROMPT },
  "reasoning alone": { model: "emulate/reasoning-only", input: PROMPT, reasoning: { summary: "auto" } },
};
/** The same model behind a relay that answers with JSON when a stream is requested. */
const inJson = (model: RequestBody["model"]): string =>
  String(model).startsWith("emulate/") ? `${model}+json-for-stream` : `${model}/emulate/json-for-stream`;

async function eventsOf(client: OpenAI, body: RequestBody): Promise<ResponseStreamEvent[]> {
  const events: ResponseStreamEvent[] = [];
  const stream = client.responses.stream(body);
  for await (const event of stream) events.push(event);
  await stream.finalResponse();
  return events;
}

/** The type and indexes of each event. Consecutive deltas count once. The steps of a hosted tool are omitted, since a replay has none. */
function kinds(events: readonly ResponseStreamEvent[]): string[] {
  const lines = events
    .filter(({ type }) => !type.startsWith("response.web_search_call."))
    .map((event) => {
      const fields = event as unknown as Record<string, unknown>;
      const indexes = ["output_index", "content_index", "summary_index", "annotation_index"].map(
        (key) => `${key}=${fields[key] as string}`,
      );
      return [event.type, ...indexes].join(" ");
    });
  return lines.filter((line, at) => line !== lines[at - 1]);
}

function joinDeltas(events: readonly ResponseStreamEvent[], type: string): string {
  return events.map((event) => (event.type === type && "delta" in event ? event.delta : "")).join("");
}

function endOf(events: readonly ResponseStreamEvent[]): ResponseObject {
  const last = events.at(-1);
  return last !== undefined && "response" in last ? last.response : expect.fail("no response at the end");
}

function expectSame(replayed: readonly ResponseStreamEvent[], fresh: readonly ResponseStreamEvent[]): void {
  expect(kinds(replayed)).toEqual(kinds(fresh));
  expect(replayed.map(({ sequence_number }) => sequence_number)).toEqual(replayed.map((_, at) => at));
  for (const name of ["output_text", "refusal", "reasoning_summary_text", "function_call_arguments"]) {
    expect(joinDeltas(replayed, `response.${name}.delta`)).toBe(joinDeltas(fresh, `response.${name}.delta`));
  }
  expect(withoutIds(endOf(replayed))).toEqual(withoutIds(endOf(fresh)));
}

/** Without the status of a reasoning item, which upstream does not send: only a stream shows whether it ended. */
function withoutIds({ output }: ResponseObject): object[] {
  return output.map((item) => ({
    ...item,
    id: "",
    call_id: "",
    ...(item.type === "reasoning" ? { status: undefined } : {}),
  }));
}

describe.each([
  ["the config enables the cache", { config: "config-clients.ts" }, {}],
  ["Cache-Control requests the cache", {}, { "cache-control": "max-age=60" }],
])("when %s", (_, settings, defaultHeaders) => {
  let gateway: Gateway;
  let client: OpenAI;
  beforeAll(async () => {
    gateway = await startGateway(settings);
    client = new OpenAI({
      baseURL: gateway.baseURL,
      apiKey: SERVER_KEY,
      maxRetries: 0,
      defaultHeaders,
      fetch: gateway.fetch,
    });
  });
  afterAll(() => gateway.stop());
  beforeEach(() => gateway.emulator.clear());

  test.each(Object.entries(CACHEABLE))("%s, cached from JSON, streams like a fresh answer", async (name, body) => {
    const fresh = await eventsOf(client, { ...body, input: `${PROMPT} 1 ${name}` });
    const response = await client.responses.create({ ...body, input: `${PROMPT} 2 ${name}` });
    const replayed = await until(async () => {
      const events = await eventsOf(client, { ...body, input: `${PROMPT} 2 ${name}` });
      expect(gateway.responses.at(-1)?.headers.get("cache-status")).toMatch(/; hit; ttl=\d+$/);
      return events;
    });
    expect(kinds(replayed)).toEqual(kinds(fresh));
    expect(replayed.map(({ sequence_number }) => sequence_number)).toEqual(replayed.map((_event, at) => at));
    expect(endOf(replayed)).toMatchObject({ id: response.id, output: response.output, usage: response.usage });
  });

  test.each(Object.entries(CACHEABLE))(
    "%s, cached from a stream, is served as JSON and as the same stream",
    async (name, body) => {
      const input = `${PROMPT} 3 ${name}`;
      const fresh = await eventsOf(client, { ...body, input });
      const response = await until(async () => {
        const { data, response } = await client.responses.create({ ...body, input }).withResponse();
        expect(response.headers.get("cache-status")).toMatch(/; hit; ttl=\d+$/);
        return data;
      });
      expect(response).toMatchObject({ id: endOf(fresh).id, output: endOf(fresh).output });
      expectSame(await eventsOf(client, { ...body, input }), fresh);
      expect(gateway.emulator.calls()).toBeLessThanOrEqual(2);
    },
  );

  test.each(Object.entries(NOT_CACHEABLE))(
    "%s is never cached; if a relay answers with JSON, it streams like a fresh answer",
    async (_name, body) => {
      const fresh = await eventsOf(client, body);
      expectSame(await eventsOf(client, { ...body, model: inJson(body.model) }), fresh);
      await eventsOf(client, body);
      expect(gateway.emulator.calls()).toBe(3);
    },
  );
});

describe("presets", () => {
  let gateway: Gateway;
  let client: OpenAI;
  beforeAll(async () => {
    gateway = await startGateway({ config: "config-clients.ts" });
    client = new OpenAI({ baseURL: gateway.baseURL, apiKey: SERVER_KEY, fetch: gateway.fetch });
  });
  afterAll(() => gateway.stop());

  test("models.list contains the presets and upstream's models", async () => {
    const ids: string[] = [];
    for await (const { id } of client.models.list()) ids.push(id);
    expect(ids.slice(0, 2)).toEqual(["support", "brief"]);
    expect(ids).toContain("gpt-6-luna");
  });

  test("a preset's name as model applies its fields, and a follow-up knows the conversation", async () => {
    const first = await client.responses.create({ model: "support", input: PROMPT });
    expect(gateway.lastCall().body).toMatchObject({
      model: "gpt-6-sol",
      instructions: "You help customers of Example Ltd.",
    });
    const second = await client.responses
      .stream({ model: "support", input: `${PROMPT} 2`, previous_response_id: first.id })
      .finalResponse();
    expect(second.output_text).toContain(`Before that you said: "${PROMPT}".`);
    expect(gateway.lastCall().body).toMatchObject({ instructions: "You help customers of Example Ltd." });
  });
});
