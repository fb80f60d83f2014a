// A kept answer, and an answer that came as JSON, replayed as events: the SDK's stream helper must take it for a fresh stream.
import OpenAI from "openai";
import type {
  Response as ResponseObject,
  ResponseCreateParamsNonStreaming,
  ResponseStreamEvent,
} from "openai/resources/responses/responses";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { replayEvents } from "../../src/core/reply/replay-events.ts";
import { until } from "../e2e/worker.ts";
import { type Gateway, PROMPT, SERVER_KEY, startGateway } from "./gateway.ts";

type Asked = Omit<ResponseCreateParamsNonStreaming, "stream">;

const FUNCTION = {
  type: "function",
  parameters: { type: "object", properties: { city: { type: "string" } } },
  strict: false,
} as const;
const KEPT: Record<string, Asked> = {
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
  "what was converted from chat": { model: "emulate/chat-compat", input: PROMPT },
};
const NEVER_KEPT: Record<string, Asked> = {
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
  "a failure": { model: "emulate/failed", input: PROMPT },
};

async function eventsOf(client: OpenAI, asked: Asked): Promise<ResponseStreamEvent[]> {
  const events: ResponseStreamEvent[] = [];
  const stream = client.responses.stream(asked);
  for await (const event of stream) events.push(event);
  await stream.finalResponse();
  return events;
}

/** What each event is and is about; a run of deltas is one, and the steps of a hosted tool are not told again. */
function kinds(events: readonly ResponseStreamEvent[]): string[] {
  const lines = events
    .filter(({ type }) => !type.startsWith("response.web_search_call."))
    .map((event) => {
      const at = event as unknown as Record<string, unknown>;
      const places = ["output_index", "content_index", "summary_index", "annotation_index"].map(
        (key) => `${key}=${at[key] as string}`,
      );
      return [event.type, ...places].join(" ");
    });
  return lines.filter((line, at) => line !== lines[at - 1]);
}

function joined(events: readonly ResponseStreamEvent[], type: string): string {
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
    expect(joined(replayed, `response.${name}.delta`)).toBe(joined(fresh, `response.${name}.delta`));
  }
  expect(endOf(replayed).output).toEqual(endOf(fresh).output);
}

describe.each([
  ["the config keeps answers", { config: "config-clients.ts" }, {}],
  ["Cache-Control asks for it", {}, { "cache-control": "max-age=60" }],
])("where %s", (_, settings, defaultHeaders) => {
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

  test.each(Object.entries(KEPT))("%s kept from JSON replays as a stream like a fresh one", async (name, asked) => {
    const fresh = await eventsOf(client, { ...asked, input: `${PROMPT} 1 ${name}` });
    const whole = await client.responses.create({ ...asked, input: `${PROMPT} 2 ${name}` });
    const replayed = await until(async () => {
      const events = await eventsOf(client, { ...asked, input: `${PROMPT} 2 ${name}` });
      expect(gateway.seen.at(-1)?.headers.get("cache-status")).toMatch(/; hit; ttl=\d+$/);
      return events;
    });
    expect(kinds(replayed)).toEqual(kinds(fresh));
    expect(replayed.map(({ sequence_number }) => sequence_number)).toEqual(replayed.map((_event, at) => at));
    expect(endOf(replayed)).toMatchObject({ id: whole.id, output: whole.output, usage: whole.usage });
  });

  test.each(Object.entries(KEPT))(
    "%s kept from a stream answers JSON, and streams again as it did",
    async (name, asked) => {
      const input = `${PROMPT} 3 ${name}`;
      const fresh = await eventsOf(client, { ...asked, input });
      const whole = await until(async () => {
        const { data, response } = await client.responses.create({ ...asked, input }).withResponse();
        expect(response.headers.get("cache-status")).toMatch(/; hit; ttl=\d+$/);
        return data;
      });
      expect(whole).toMatchObject({ id: endOf(fresh).id, output: endOf(fresh).output });
      expectSame(await eventsOf(client, { ...asked, input }), fresh);
      expect(gateway.emulator.calls()).toBeLessThanOrEqual(2);
    },
  );

  test.each(Object.entries(NEVER_KEPT))(
    "%s is never kept, and replays like a fresh stream where a relay answers JSON",
    async (_name, asked) => {
      const fresh = await eventsOf(client, asked);
      const frames = replayEvents({ ...endOf(fresh) }).map(
        (event) => `event: ${event["type"] as string}\ndata: ${JSON.stringify(event)}\n\n`,
      );
      const replaying = new OpenAI({
        apiKey: "none",
        fetch: async () =>
          new Response(`${frames.join("")}data: [DONE]\n\n`, { headers: { "content-type": "text/event-stream" } }),
      });
      expectSame(await eventsOf(replaying, asked), fresh);
      await eventsOf(client, asked);
      expect(gateway.emulator.calls()).toBe(2);
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

  test("models.list has the presets beside upstream's models", async () => {
    const ids: string[] = [];
    for await (const { id } of client.models.list()) ids.push(id);
    expect(ids.slice(0, 2)).toEqual(["support", "brief"]);
    expect(ids).toContain("gpt-6-luna");
  });

  test("a preset's name as model brings its fields, and a follow-up under it knows what was said", async () => {
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
