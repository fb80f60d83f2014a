// Every response object and every event has what the Open Responses specification requires, whatever was asked, with an upstream whose
// response objects echo nothing of the request: each has an id, a status, its output and the usage.
import { beforeEach, describe, expect, test, vi } from "vitest";
import { eventsOf } from "../emulator/events.ts";
import type { JsonObject } from "../emulator/json.ts";
import { Item, mistakesIn, mistakesInEvents, ResponseResource } from "../support/open-responses.ts";
import { eachTestAlone, startWorker, uniqueText, type WorkerUnderTest } from "./worker.ts";

eachTestAlone();

type Json = Record<string, unknown>;

const PARAMETERS = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const TOOL = { type: "function", name: "get_weather" };
const WHOLE_TOOL = { ...TOOL, description: "The weather of a city", parameters: PARAMETERS, strict: true };
const SCHEMA_FORMAT = { type: "json_schema", name: "place", schema: PARAMETERS };
const IMAGE = "data:image/png;base64,iVBORw0KGgo=";
const CALL = { type: "function_call", call_id: "call_1", name: "get_weather", arguments: '{"city":"Paris"}' };

/** Fields of a request, by what they ask for. */
const VARIANTS: Record<string, Json> = {
  "a text": {},
  instructions: { instructions: "Be brief." },
  "a system message": {
    input: [
      { type: "message", role: "system", content: "Be brief." },
      { type: "message", role: "user", content: "hi" },
    ],
  },
  "a developer message": {
    input: [
      { role: "developer", content: [{ type: "input_text", text: "Be brief." }] },
      { role: "user", content: "hi" },
    ],
  },
  "a tool with only a name": { tools: [TOOL] },
  "a tool with all its keys": { tools: [WHOLE_TOOL] },
  "a tool whose keys are null": { tools: [{ ...TOOL, description: null, parameters: null, strict: null }] },
  "no tool to be called": { tools: [WHOLE_TOOL], tool_choice: "none" },
  "some tool to be called": { tools: [TOOL], tool_choice: "required" },
  "one tool to be called": { tools: [TOOL], tool_choice: { type: "function", name: "get_weather" } },
  "some of the tools": { tools: [TOOL, WHOLE_TOOL], tool_choice: { type: "allowed_tools", tools: [TOOL] } },
  "one call at a time": { tools: [TOOL], parallel_tool_calls: false, max_tool_calls: 3 },
  "a JSON schema": { text: { format: SCHEMA_FORMAT } },
  "a strict JSON schema with a description": {
    text: { format: { ...SCHEMA_FORMAT, description: "A place", strict: true }, verbosity: "low" },
  },
  "a JSON schema whose keys are null": { text: { format: { ...SCHEMA_FORMAT, description: null, strict: null } } },
  "a JSON object": { text: { format: { type: "json_object" } } },
  verbosity: { text: { verbosity: "high" } },
  "an effort": { reasoning: { effort: "low" } },
  "an effort and a summary": {
    reasoning: { effort: "high", summary: "auto" },
    include: ["reasoning.encrypted_content"],
  },
  images: {
    input: [
      {
        role: "user",
        content: [
          { type: "input_text", text: "What is this?" },
          { type: "input_image", image_url: IMAGE },
          { type: "input_image", image_url: IMAGE, detail: "high" },
        ],
      },
    ],
  },
  "a file": {
    input: [
      {
        role: "user",
        content: [{ type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,JVBERg==" }],
      },
    ],
  },
  "several turns": {
    input: [
      { type: "message", role: "user", content: "My name is Ada." },
      { type: "message", role: "assistant", content: "Hello Ada." },
      { role: "assistant", content: [{ type: "output_text", text: "How are you?" }] },
      { type: "message", role: "user", content: "What is my name?" },
    ],
  },
  "the output of a tool": {
    tools: [TOOL],
    input: [
      { role: "user", content: "Rain?" },
      { type: "reasoning", id: "rs_1", summary: [] },
      CALL,
      { type: "function_call_output", call_id: "call_1", output: "no" },
    ],
  },
  "an image as the output of a tool": {
    input: [
      CALL,
      { type: "function_call_output", call_id: "call_1", output: [{ type: "input_image", image_url: IMAGE }] },
    ],
  },
  metadata: { metadata: { order: "17" } },
  "at most a few tokens": { max_output_tokens: 16 },
  sampling: { temperature: 0.2, top_p: 0.9, presence_penalty: 0.5, frequency_penalty: -0.5, top_logprobs: 2 },
  truncation: { truncation: "auto" },
  "log probabilities": { include: ["message.output_text.logprobs"], top_logprobs: 1 },
  "nothing to be stored": { store: false },
  "identities and a tier": {
    service_tier: "flex",
    user: "u1",
    safety_identifier: "s1",
    prompt_cache_key: "c1",
    prompt_cache_retention: "24h",
  },
  "a refusal": { input: "refuse" },
};

/** Answers a request with items of the kinds that it asks for, and with no key that repeats the request. */
function bareResponse(request: Json): JsonObject {
  const isIncomplete = typeof request["max_output_tokens"] === "number";
  const status = isIncomplete ? "incomplete" : "completed";
  const summary = [{ type: "summary_text", text: "It thinks." }];
  const reasoning = { type: "reasoning", id: "rs_2", summary };
  const call = { ...CALL, id: "fc_1", status: "completed" };
  const part = JSON.stringify(request["input"]).includes("refuse")
    ? { type: "refusal", refusal: "I can't." }
    : { type: "output_text", text: "A few words.", annotations: [], logprobs: [] };
  const message = { type: "message", id: "msg_1", status, role: "assistant", content: [part] };
  return {
    id: `resp_${crypto.randomUUID()}`,
    status,
    ...(isIncomplete ? { incomplete_details: { reason: "max_output_tokens" } } : {}),
    output: [
      ...(request["reasoning"] === undefined ? [] : [reasoning]),
      request["tools"] === undefined || request["tool_choice"] === "none" ? message : call,
    ],
    usage: { input_tokens: 12, output_tokens: 3, total_tokens: 15 },
  };
}

beforeEach(() => {
  vi.spyOn(globalThis, "fetch").mockImplementation(async (_input, init) => {
    const request = JSON.parse(await new Response(init?.body).text()) as Json;
    const response = bareResponse(request);
    if (request["stream"] !== true) return Response.json(response);
    const events = eventsOf(response, { obfuscation: false });
    const frames = events.map((event, sequence_number) => `data: ${JSON.stringify({ ...event, sequence_number })}\n\n`);
    return new Response(frames.join(""), { headers: { "content-type": "text/event-stream" } });
  });
});

async function post(worker: WorkerUnderTest, body: Json, headers: Record<string, string> = {}): Promise<Response> {
  const response = await worker.send("/v1/responses", {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ model: "gpt-6-luna", input: uniqueText(), ...body }),
  });
  expect(response.status).toBe(200);
  return response;
}

async function objectIn(response: Response): Promise<Json> {
  expect(response.status).toBe(200);
  return response.json();
}

async function eventsIn(response: Response): Promise<Json[]> {
  const lines = (await response.text()).split("\n");
  expect(lines).toContain("data: [DONE]");
  return lines.flatMap((line) => (line.startsWith("data: {") ? [JSON.parse(line.slice(6)) as Json] : []));
}

describe.each(Object.entries(VARIANTS))("a request with %s gets a valid", (_, body) => {
  test("object, as JSON, from the cache and by id, with valid input items", async () => {
    const worker = startWorker();
    const request: Json = { input: uniqueText(), ...body };
    const cached = { "cache-control": "max-age=600" };
    const object = await objectIn(await post(worker, request, cached));
    await worker.settled();
    expect(mistakesIn(ResponseResource, object)).toEqual([]);
    const { temperature = 1, metadata = {}, store = true } = request;
    expect(object).toMatchObject({ temperature, metadata, store });

    const hit = await post(worker, request, cached);
    const last = (object["output"] as Json[]).at(-1);
    const isCached = store === true && object["status"] === "completed" && last?.["type"] === "message";
    expect(hit.headers.get("cache-status")).toContain(isCached ? "hit" : "fwd");
    expect(mistakesIn(ResponseResource, await objectIn(hit))).toEqual([]);

    if (store === false) return;
    const path = `/v1/responses/${String(object["id"])}`;
    // Instructions are not stored.
    expect(await objectIn(await worker.get(path))).toEqual({ ...object, instructions: null });
    expect(mistakesInEvents(await eventsIn(await worker.get(`${path}?stream=true`)))).toEqual([]);
    const items = (await objectIn(await worker.get(`${path}/input_items`)))["data"] as Json[];
    expect(items.length).toBeGreaterThan(0);
    expect(items.flatMap((item) => mistakesIn(Item, item))).toEqual([]);
  });

  test("object in every event of its stream", async () => {
    const events = await eventsIn(await post(startWorker(), { ...body, stream: true }));
    expect(mistakesInEvents(events)).toEqual([]);
    expect(events.map(({ sequence_number }) => sequence_number)).toEqual(events.map((_event, at) => at));
    expect(events.at(-1)).toHaveProperty("response.output.0");
  });
});
