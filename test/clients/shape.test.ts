// The shape of Open Responses on the wire: the keys that the specification requires in every object and event, and the parts that must be
// upstream's own bytes. A recording proxy between the Worker and the emulator captures those.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createParser } from "eventsource-parser";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Gateway, PROMPT, SERVER_KEY, startGateway } from "./gateway.ts";

type Data = Record<string, unknown>;

const REQUIRED = (
  "id object created_at completed_at status incomplete_details model previous_response_id instructions output error tools tool_choice " +
  "truncation parallel_tool_calls text top_p presence_penalty frequency_penalty top_logprobs temperature reasoning user usage " +
  "max_output_tokens max_tool_calls store background service_tier metadata safety_identifier prompt_cache_key"
).split(" ");
const NEVER_NULL =
  "id object created_at status model output tools tool_choice truncation parallel_tool_calls text top_p presence_penalty frequency_penalty top_logprobs temperature store background service_tier metadata".split(
    " ",
  );

let gateway: Gateway;
let recorder: Server;
/** The last body that upstream sent. */
let upstreamText = "";
beforeAll(async () => {
  gateway = await startGateway({
    async proxy(emulatorUrl) {
      recorder = createServer((request, response) => {
        void (async () => {
          const pieces: Uint8Array[] = [];
          for await (const piece of request) pieces.push(piece as Uint8Array);
          const { authorization = "" } = request.headers;
          const headers = { authorization, "content-type": "application/json" };
          const answer = await fetch(`${emulatorUrl}${request.url ?? ""}`, {
            method: "POST",
            headers,
            body: Buffer.concat(pieces),
          });
          upstreamText = await answer.text();
          response
            .writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" })
            .end(upstreamText);
        })();
      }).listen(0, "127.0.0.1");
      await new Promise((resolve) => recorder.once("listening", resolve));
      return `http://127.0.0.1:${(recorder.address() as AddressInfo).port}`;
    },
  });
});
afterAll(async () => {
  await gateway.stop();
  recorder.closeAllConnections();
  recorder.close();
});

async function post(body: object): Promise<string> {
  const headers = { authorization: `Bearer ${SERVER_KEY}`, "content-type": "application/json" };
  const response = await gateway.fetch(`${gateway.baseURL}/responses`, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
  });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return text;
}

function eventsOf(text: string): Data[] {
  const events: Data[] = [];
  const parser = createParser({
    onEvent: ({ event, data }) => {
      if (data === "[DONE]") return;
      const parsed = JSON.parse(data) as Data;
      expect(event).toBe(parsed["type"]);
      events.push(parsed);
    },
  });
  parser.feed(text);
  return events;
}

function expectShape(response: Data): void {
  expect(Object.keys(response)).toEqual(expect.arrayContaining(REQUIRED));
  for (const key of NEVER_NULL) expect(response[key], key).not.toBeNull();
  expect(response["object"]).toBe("response");
  expect(response["completed_at"] === null).toBe(response["status"] !== "completed");
  const { usage } = response;
  if (usage !== null) {
    expect(usage).toMatchObject({
      input_tokens: expect.any(Number) as number,
      input_tokens_details: { cached_tokens: expect.any(Number) as number },
      output_tokens: expect.any(Number) as number,
      output_tokens_details: { reasoning_tokens: expect.any(Number) as number },
      total_tokens: expect.any(Number) as number,
    });
  }
  expectItems(response["output"] as Data[]);
}

function expectItems(items: readonly Data[]): void {
  for (const item of items) {
    expect(item["type"]).toEqual(expect.any(String));
    expect(item["id"]).toEqual(expect.any(String));
    for (const part of (item["content"] ?? []) as Data[]) expectPart(part);
  }
}

function expectPart(part: Data): void {
  if (part["type"] === "output_text")
    expect(part).toMatchObject({ text: expect.any(String) as string, annotations: expect.any(Array) as [] });
}

const WEATHER = {
  type: "function",
  name: "weather",
  parameters: { type: "object", properties: { city: { type: "string" } } },
};
const EXCHANGES: Record<string, Data> = {
  "a text": { model: "gpt-6-sol" },
  "reasoning and a text": { model: "gpt-6-sol", reasoning: { effort: "low", summary: "detailed" } },
  "function calls": { model: "gpt-6-sol", tools: [WEATHER] },
  citations: { model: "gpt-6-sol", tools: [{ type: "web_search" }] },
  "a refusal": { model: "emulate/refusal" },
  "an incomplete text": { model: "emulate/incomplete" },
  "an answer converted from chat": { model: "emulate/chat-compat" },
  "function calls converted from chat": { model: "emulate/chat-compat", tools: [WEATHER] },
  "an answer without usage": { model: "emulate/no-usage" },
  "an answer without an id": { model: "emulate/no-id" },
  "an answer whose id changes": { model: "emulate/id-changes" },
};

describe.each(Object.entries(EXCHANGES))("%s", (name, fields) => {
  test("as JSON, the response has every key and no upstream id", async () => {
    const text = await post({ input: `${PROMPT} ${name}`, ...fields });
    expectShape(JSON.parse(text) as Data);
    expect(text).not.toMatch(/resp_(?!ue1_)|chatcmpl-/);
  });

  test("as a stream, every event has its keys and a sequence number, the deltas are upstream's bytes, and [DONE] comes last", async () => {
    const text = await post({ input: `${PROMPT} ${name}`, stream: true, ...fields });
    expect(text.endsWith("\n\ndata: [DONE]\n\n")).toBe(true);
    expect(text).not.toMatch(/resp_(?!ue1_)|chatcmpl-/);
    const events = eventsOf(text);
    const numbers = events.map(({ sequence_number }) => sequence_number as number);
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    expect(new Set(numbers).size).toBe(numbers.length);
    for (const { type, response, item, part, output_index } of events as Record<string, Data>[]) {
      if (response !== undefined) expectShape(response);
      else if (String(type).startsWith("response.")) expect(output_index, String(type)).toEqual(expect.any(Number));
      if (item !== undefined) expectItems([item]);
      if (part !== undefined) expectPart(part);
    }
    expect(events.filter(({ type }) => /^response\.(completed|incomplete|failed)$/.test(String(type)))).toHaveLength(1);
    const deltas = (stream: string): string[] => stream.match(/^event: \S+\.delta\ndata: .*\n\n/gm) ?? [];
    expect(deltas(text)).toEqual(deltas(upstreamText));
    expect(events.map(({ type }) => type)).toEqual(eventsOf(upstreamText).map(({ type }) => type));
  });
});

test("a follow-up names its parent in the response object and in every event with a response object", async () => {
  const { id } = JSON.parse(await post({ input: PROMPT, model: "gpt-6-sol" })) as { id: string };
  const body = { input: `${PROMPT} 2`, model: "gpt-6-sol", previous_response_id: id };
  expect(JSON.parse(await post(body))).toMatchObject({ previous_response_id: id });
  const parents = eventsOf(await post({ ...body, stream: true })).flatMap(({ response }) =>
    response === undefined ? [] : [(response as Data)["previous_response_id"]],
  );
  expect(parents).toEqual([id, id, id]);
});
