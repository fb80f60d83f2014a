// Tests every entry of the emulator's menu against its description in GET /v1/models.
import { readFile } from "node:fs/promises";

import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";

import { ask, type EmulatorAnswer, chunksOf, eventsIn, outputTextOf, terminalOf, typesOf } from "../emulator/ask.ts";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import { asObject, asObjects, asText, type JsonObject } from "../emulator/json.ts";
import { FAMILIES } from "../emulator/menu.ts";

let emulator: Emulator;
beforeAll(async () => {
  emulator = await startEmulator();
});
afterAll(() => emulator.close());
beforeEach(() => emulator.clear());

const PLAIN = 'You said: "hi".';
const KEY = "sk-aBcdefuvwxYz";
const body = (name: string, fields: JsonObject = {}): JsonObject => ({
  model: `emulate/${name}`,
  input: "hi",
  ...fields,
});
const json = (name: string, fields: JsonObject = {}): Promise<EmulatorAnswer> =>
  ask(emulator, body(name, fields), { key: KEY });
const stream = (name: string, fields: JsonObject = {}): Promise<EmulatorAnswer> =>
  json(name, { stream: true, ...fields });
const askAndDisconnect = (
  name: string,
  disconnectWhen: (text: string) => boolean,
  fields: JsonObject = {},
): Promise<EmulatorAnswer> => ask(emulator, body(name, fields), { disconnectWhen });
const longerThan =
  (length: number) =>
  (text: string): boolean =>
    text.length > length;

const textOf = ({ json: response, events }: EmulatorAnswer): string =>
  outputTextOf(events.length > 0 ? terminalOf(events) : response);
const deltaText = ({ events }: EmulatorAnswer): string => events.map((event) => asText(event["delta"]) ?? "").join("");
const itemTypes = (response: JsonObject): unknown[] => asObjects(response["output"]).map((item) => item["type"]);

/** The fixture with the request id and the model of this answer. */
async function fixture(name: string, { headers }: EmulatorAnswer, model: string): Promise<string> {
  const text = await readFile(new URL(`../fixtures/derived/${name}`, import.meta.url), "utf8");
  return text
    .replace(/request id: \w+/, `request id: ${headers.get("x-oneapi-request-id")}`)
    .replace("gpt-nope", `emulate/${model}`);
}

type Check = () => Promise<void>;

/** As JSON and as a stream: this status, and the body of this fixture. */
const refuses =
  (name: string, status: number, file?: string): Check =>
  async () => {
    for (const result of [await json(name), await stream(name)]) {
      expect(result.status).toBe(status);
      const base = name.split("/")[0] ?? "";
      if (file?.endsWith(".json")) {
        expect(result.json).toEqual(JSON.parse(await fixture(file, result, base)));
      } else if (file) expect(result.text).toBe((await fixture(file, result, base)).trimStart());
      else expect(result.json["error"] ?? result.text).toBeTruthy();
    }
  };

const refusesOnce =
  (name: string, status: number): Check =>
  async () => {
    const [first, second] = [await json(name), await json(name)];
    expect([first.status, first.headers.get("retry-after")]).toEqual([status, "2"]);
    expect([second.status, textOf(second)]).toEqual([200, PLAIN]);
  };

/** An answer that has its complete text, as JSON and as a stream. `check` looks at what is unusual about it. */
const answers =
  (name: string, check: (result: EmulatorAnswer, isStream: boolean) => void, text = PLAIN): Check =>
  async () => {
    for (const isStream of [false, true]) {
      const result = await (isStream ? stream(name) : json(name));
      expect([result.status, result.broken, textOf(result)]).toEqual([200, false, text]);
      check(result, isStream);
    }
  };

const streams = (name: string, check: (result: EmulatorAnswer) => void, text = PLAIN): Check =>
  answers(name, (result, isStream) => (isStream ? check(result) : undefined), text);

/** The answer to a follow-up of an ordinary response. */
const followUp = async (name: string): Promise<EmulatorAnswer> => {
  const first = await ask(emulator, { model: "gpt-6-sol", input: "first" });
  return json(name, { previous_response_id: first.json["id"] ?? "" });
};

const cloudflare = (status: number): [string, Check] => [
  String(status),
  async () => {
    const result = await json(String(status));
    expect([result.status, result.text]).toEqual([status, `error code: ${status}`]);
  },
];

const MENU: Record<string, Check> = {
  text: answers("text", ({ json: answer, events }, isStream) =>
    expect(isStream ? events.length : answer["model"]).toBe(isStream ? 11 : "emulator/emulate/text"),
  ),

  refusal: async () => {
    const [part] = asObjects(asObjects((await json("refusal")).json["output"])[0]?.["content"]);
    expect(part).toEqual({ type: "refusal", refusal: "I can't help with that." });
    expect(typesOf((await stream("refusal")).events)).toContain("response.refusal.done");
  },
  incomplete: async () => {
    const { events } = await stream("incomplete");
    expect(events.at(-1)?.["type"]).toBe("response.incomplete");
    const incomplete_details = { reason: "content_filter" };
    expect(terminalOf(events)).toMatchObject({ status: "incomplete", incomplete_details });
    expect(PLAIN).toContain(textOf(await json("incomplete")));
  },
  "reasoning-only": async () => {
    const { json: answer } = await json("reasoning-only");
    expect([answer["status"], itemTypes(answer)]).toEqual(["incomplete", ["reasoning"]]);
  },
  failed: async () => {
    const error = { code: "server_error", message: "The model failed to generate a response." };
    expect((await json("failed")).json).toMatchObject({ status: "failed", error, output: [] });
    expect((await stream("failed")).events.at(-1)?.["type"]).toBe("response.failed");
  },
  phases: answers(
    "phases",
    ({ json: answer, events }) => {
      const response = events.length > 0 ? terminalOf(events) : answer;
      const phases = asObjects(response["output"]).map((item) => item["phase"]);
      expect(phases).toEqual(["commentary", "final_answer"]);
    },
    `Let me look at the conversation. ${PLAIN}`,
  ),
  "two-messages": answers("two-messages", () => {}, `${PLAIN} And a second message.`),
  "unknown-items": streams("unknown-items", ({ events }) => {
    expect(typesOf(events)).toContain("weather.changed");
    expect(itemTypes(terminalOf(events))).toEqual(["hologram", "message"]);
  }),
  everything: answers("everything", ({ json: answer, events }) =>
    expect(itemTypes(events.length > 0 ? terminalOf(events) : answer)).toEqual([
      "reasoning",
      "web_search_call",
      "message",
      "function_call",
    ]),
  ),
  reasons: answers("reasons", ({ json: answer, events }) =>
    expect(itemTypes(events.length > 0 ? terminalOf(events) : answer)).toEqual(["reasoning", "message"]),
  ),
  "asks-approval": async () => {
    const { json: asking } = await json("asks-approval");
    expect(itemTypes(asking)).toEqual(["mcp_approval_request"]);
    const approval_request_id = asObjects(asking["output"])[0]?.["id"] ?? "";
    const input = [{ type: "mcp_approval_response", approval_request_id, approve: true }];
    expect(textOf(await json("asks-approval", { input, previous_response_id: asking["id"] ?? "" }))).toBe(PLAIN);
    expect((await json("asks-approval", { input })).status).toBe(400);
  },
  "big-integers": answers(
    "big-integers",
    ({ text }) => expect(text).toContain('"arguments":"{\\"id\\":9223372036854775807}"'),
    '{"id":9223372036854775807}',
  ),
  long: answers("long/3", () => {}, "word1 word2 word3"),
  "too-large": streams(
    "too-large/100000",
    ({ text }) => expect(text).toContain(`"delta":"${"x".repeat(100_000)}"`),
    "x".repeat(100_000),
  ),
  "chat-compat": async () => {
    const file = new URL("../fixtures/derived/d33-onehub-chat-compat-stream.sse", import.meta.url);
    const model = eventsIn(await readFile(file, "utf8"));
    const { events } = await stream("chat-compat", { previous_response_id: "resp_unknown" });
    const keys = (event: JsonObject | undefined): unknown[] => [
      Object.keys(event ?? {}).toSorted(),
      ...["response", "item", "part"].map((key) => Object.keys(asObject(event?.[key]) ?? {}).toSorted()),
    ];
    const notRepeated = events.filter((event, index) => event["type"] !== events[index - 1]?.["type"]);
    expect(notRepeated.map(keys)).toEqual(model.map(keys));
    expect(terminalOf(events)["id"]).toMatch(/^chatcmpl-\w{29}$/);
    expect((await json("chat-compat")).json).not.toHaveProperty("previous_response_id");
  },

  "400": refuses("400", 400),
  "401": refuses("401", 401, "d20-onehub-401-invalid-token.json"),
  "401-exhausted": refuses("401-exhausted", 401, "d21-onehub-401-token-exhausted.json"),
  "401-quota": refuses("401-quota", 401, "d40-newapi-401-key-parts.json"),
  "401-vendor-key": refuses("401-vendor-key", 401, "d26-onehub-401-upstream-key.json"),
  "402": refuses("402", 402),
  "403": refuses("403", 403, "d42-newapi-403-quota.json"),
  "404-model": refuses("404-model", 404),
  "413": refuses("413", 413),
  "429": refuses("429", 429, "d24-onehub-429-user-rate.json"),
  "429-retry-after": async () => {
    expect((await json("429-retry-after/7")).headers.get("retry-after")).toBe("7");
    expect((await json("429")).headers.get("retry-after")).toBeNull();
  },
  "429-once": refusesOnce("429-once/2", 429),
  "429-empty": async () => {
    const result = await json("429-empty");
    expect([result.status, result.text]).toEqual([429, ""]);
  },
  "429-quota": refuses("429-quota", 429, "d25-onehub-429-quota-disguised.json"),
  "429-saturated": refuses("429-saturated", 429, "d23-onehub-429-saturated.json"),
  "429-rate-limit": refuses("429-rate-limit", 429, "d04-error-429-rate-limit.json"),
  "500": refuses("500", 500),
  "502-html": refuses("502-html", 502, "d50-cloudflare-502.html"),
  "503": refuses("503", 503),
  "503-once": refusesOnce("503-once/2", 503),
  "503-times": async () => {
    const statuses: number[] = [];
    for (let time = 1; time <= 4; time += 1) statuses.push((await json("503-times/3")).status);
    expect(statuses).toEqual([503, 503, 503, 200]);
  },
  "503-no-channel": refuses("503-no-channel", 503, "d22-onehub-503-no-channel.json"),
  "503-model-not-found": refuses("503-model-not-found", 503, "d41-newapi-503-model-not-found.json"),
  ...Object.fromEntries(Array.from({ length: 11 }, (_, index) => cloudflare(520 + index))),
  status: async () => {
    const statuses = [201, 204, 408, 418, 529, 599];
    const result = await Promise.all(statuses.map((status) => json(`status/${status}`)));
    expect(result.map(({ status }) => status)).toEqual(statuses);
  },
  redirect: async () => {
    const result = await json("redirect");
    expect([result.status, result.headers.get("location")]).toEqual([
      302,
      `http://localhost:${emulator.port}/v1/responses`,
    ]);
  },

  heartbeat: answers("heartbeat", ({ text }, isStream) =>
    expect(text).toMatch(isStream ? /^::PING\n\n::PING\n\nevent: / : /^\n\n\n\{/),
  ),
  "heartbeat-error": async () => {
    const result = await json("heartbeat-error");
    expect([result.status, result.text.slice(0, 3)]).toEqual([200, "\n\n{"]);
    expect(result.json["error"]).toMatchObject({ code: "rate_limit_exceeded" });
    const events = await stream("heartbeat-error");
    expect(events.text).toMatch(/^::PING\n\ndata: \{"error"/);
  },
  "error-200": refuses("error-200", 200, "d23-onehub-429-saturated.json"),
  "unknown-error-200": async () => {
    const result = await json("unknown-error-200");
    expect(result.status).toBe(200);
    expect(result.json["error"]).toMatchObject({ code: "mystery_42" });
  },
  "chat-completion": async () => {
    expect((await json("chat-completion")).json["object"]).toBe("chat.completion");
    expect((await stream("chat-completion")).text).toMatch(/^data: \{.*chat\.completion\.chunk.*\n\ndata: \[DONE\]/);
  },
  "not-json": async () => {
    const result = await json("not-json");
    expect([result.status, result.text]).toEqual([200, "upstream says hello"]);
  },

  "forgets-chain": async () => {
    expect((await json("forgets-chain")).status).toBe(200);
    const result = await followUp("forgets-chain");
    expect(result.status).toBe(400);
    expect(result.json["error"]).toMatchObject({ code: "previous_response_not_found" });
  },
  "forgets-items": async () => {
    expect(itemTypes((await json("forgets-items")).json)).toEqual(["reasoning", "message"]);
    for (const item of [
      { type: "reasoning", id: "rs_1", summary: [] },
      { role: "assistant", id: "msg_1", content: "a" },
      { type: "function_call", id: "fc_1", call_id: "call_1", name: "f", arguments: "{}" },
      { type: "item_reference", id: "msg_1" },
      { id: "msg_1" },
    ]) {
      const result = await json("forgets-items", { input: [item] });
      expect(result.status).toBe(400);
      const message = expect.stringContaining(`Item with id '${item.id}' not found.`) as string;
      expect(result.json["error"]).toMatchObject({ message });
    }
  },
  "shares-nothing": async () => {
    const tools = [{ type: "function", name: "weather", parameters: { type: "object" } }];
    const first = await json("shares-nothing", { tools });
    const [thought, call] = asObjects(first.json["output"]);
    expect([thought, call]).toMatchObject([
      {
        type: "reasoning",
        id: expect.stringMatching(/^rs_/) as string,
        encrypted_content: expect.any(String) as string,
      },
      { type: "function_call", id: expect.stringMatching(/^fc_/) as string, name: "weather" },
    ]);
    const output = { type: "function_call_output", call_id: call?.["call_id"] ?? "", output: "rain" };
    const next = (...input: JsonObject[]): Promise<EmulatorAnswer> =>
      json("shares-nothing", { tools, input: [{ role: "user", content: "hi" }, ...input, output] });
    const refusal = async (...input: JsonObject[]): Promise<unknown> => {
      const { status, json: refused } = await next(...input);
      return [status, String(asObject(refused["error"])?.["message"]).replaceAll(/_\w{8,}/g, "_X")];
    };
    const { encrypted_content: _, ...unsealed } = thought ?? {};
    const withoutId = ({ id: _id, ...item }: JsonObject): JsonObject => item;
    expect([
      await refusal({ type: "item_reference", id: thought?.["id"] ?? "" }, call ?? {}),
      await refusal(thought ?? {}, call ?? {}),
      await refusal(unsealed, call ?? {}),
      await refusal(call ?? {}),
      await refusal(unsealed, withoutId(call ?? {})),
    ]).toEqual([
      [404, expect.stringContaining("Item with id 'rs_X' not found.")],
      [400, "The encrypted content for item rs_X could not be verified."],
      [404, expect.stringContaining("Item with id 'rs_X' not found.")],
      [400, "Item 'fc_X' of type 'function_call' was provided without its required 'reasoning' item: 'rs_X'."],
      [400, "Item 'rs_X' of type 'reasoning' was provided without its required following item."],
    ]);
    const second = await next(withoutId(call ?? {}));
    expect([textOf(second), itemTypes(second.json)]).toEqual([
      `${PLAIN} Function outputs: "rain".`,
      ["reasoning", "message"],
    ]);
    expect((await json("shares-nothing", { previous_response_id: first.json["id"] ?? "" })).status).toBe(400);
  },
  "ignores-chain": async () => {
    const result = await followUp("ignores-chain");
    expect([textOf(result), result.json["previous_response_id"]]).toEqual([PLAIN, null]);
  },
  "ignores-chain-echoes": async () => {
    const result = await followUp("ignores-chain-echoes");
    expect(textOf(result)).toBe(PLAIN);
    expect(result.json["previous_response_id"]).toMatch(/^resp_/);
  },
  "id-changes": async () => {
    const { events } = await stream("id-changes");
    const ids = events.flatMap((event) => asObject(event["response"])?.["id"] ?? []);
    expect(new Set(ids.slice(0, -1)).size).toBe(1);
    expect(ids.at(-1)).not.toBe(ids[0]);
    const next = (id: JsonObject[string] = ""): Promise<EmulatorAnswer> => json("text", { previous_response_id: id });
    expect([(await next(ids[0])).status, (await next(ids.at(-1))).status]).toEqual([400, 200]);
  },
  "no-id": answers("no-id", ({ json: answer, events }) => {
    expect(answer).not.toHaveProperty("id");
    for (const event of events) expect(event["response"] ?? {}).not.toHaveProperty("id");
  }),
  "long-id": async () => {
    expect((await json("long-id")).json["id"]).toHaveLength(300);
  },
  "uuid-id": async () => {
    expect((await json("uuid-id")).json["id"]).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
  },

  "error-event": async () => {
    const { events } = await stream("error-event");
    expect(typesOf(events)).toEqual(["response.created", "error"]);
    expect(events[1]).toMatchObject({ code: "server_error", sequence_number: 1 });
    expect((await json("error-event")).status).toBe(500);
  },
  "error-event-nested": async () => {
    const { events } = await stream("error-event-nested");
    expect(typesOf(events).slice(-2)).toEqual(["error", "response.failed"]);
    expect(events.at(-2)?.["error"]).toMatchObject({ code: "rate_limit_exceeded" });
  },
  "output-text-empty": answers("output-text-empty", ({ json: answer, events }) =>
    expect((events.length > 0 ? terminalOf(events) : answer)["output_text"]).toBe(""),
  ),
  "no-usage": answers("no-usage", ({ json: answer, events }) =>
    expect(events.length > 0 ? terminalOf(events) : answer).not.toHaveProperty("usage"),
  ),
  "no-output-in-terminal": async () => {
    const result = await stream("no-output-in-terminal");
    expect([terminalOf(result.events)["output"], deltaText(result)]).toEqual([[], PLAIN]);
  },
  "no-deltas": streams("no-deltas", (result) => expect(deltaText(result)).toBe("")),
  "all-hollow": async () => {
    const result = await stream("all-hollow");
    expect([textOf(result), deltaText(result)]).toEqual(["", PLAIN]);
  },
  "whole-added": async () => {
    const { events } = await stream("everything+whole-added");
    expect(new Set(typesOf(events.slice(2, -1)))).toEqual(new Set(["response.output_item.added"]));
    expect(outputTextOf({ output: events.flatMap(({ item }) => asObject(item) ?? []) })).toBe(PLAIN);
  },
  "only-deltas": async () => {
    const result = await stream("only-deltas");
    expect([deltaText(result), textOf(result), result.events.length]).toEqual([PLAIN, "", 5]);
  },
  "cumulative-deltas": streams("cumulative-deltas", ({ events }) =>
    expect(events.flatMap(({ delta }) => delta ?? [])).toEqual(["You", "You said:", PLAIN]),
  ),
  "deltas-as-objects": streams("deltas-as-objects", ({ text }) => expect(text).toContain('"delta":{"type":"text"')),
  "output-text-only": async () => {
    const { json: answer } = await json("output-text-only");
    expect([answer["output"], answer["output_text"]]).toEqual([[], PLAIN]);
  },
  "no-indexes": streams("no-indexes", ({ text }) => expect(text).not.toContain("_index")),
  "all-index-0": streams("everything+all-index-0", ({ text }) =>
    expect(text).not.toMatch(/(?:output|content|summary)_index":[1-9]/),
  ),
  "indexes-as-texts": streams("indexes-as-texts", ({ text }) => expect(text).toContain('"output_index":"0"')),
  "indexes-with-gaps": streams("indexes-with-gaps", ({ text }) => expect(text).toContain('"output_index":2')),
  "no-item-ids": streams("no-item-ids", ({ text }) => expect(text).not.toContain("item_id")),
  "item-ids-change": streams("item-ids-change", ({ events }) => {
    const ids = events.flatMap(({ item_id, item }) => item_id ?? asObject(item)?.["id"] ?? []);
    expect(new Set(ids).size).toBe(ids.length);
  }),
  keepalives: streams("keepalives", ({ events }) => expect(typesOf(events)).toContain("keepalive")),
  "chat-chunks-inside": streams("chat-chunks-inside", ({ text }) =>
    expect(text).toMatch(/\n\ndata: \{[^\n]*chat\.completion\.chunk[^\n]*\}\n\n/),
  ),
  "stray-json": streams("stray-json", ({ text }) => expect(text).toContain('data: null\n\ndata: "ok"\n\ndata: []')),

  "bare-json": async () => {
    const result = await stream("bare-json");
    expect(result.broken).toBe(false);
    expect(result.text).toMatch(/\n\n\{"error": \{"code": "system error", [^\n]*\}\}$/);
  },
  "no-event-lines": streams("no-event-lines", ({ text }) => expect(text).not.toMatch(/^event:/m)),
  comments: streams("comments", ({ text }) => expect(text).toMatch(/^: PROCESSING\n\n/)),
  done: streams("done", ({ text }) => expect(text).toMatch(/\n\ndata: \[DONE\]\n\n$/)),
  crlf: streams("crlf", ({ text }) => expect(text).not.toMatch(/[^\r]\n/)),
  "json-for-stream": async () => {
    const result = await stream("json-for-stream");
    expect(result.headers.get("content-type")).toContain("application/json");
    expect(outputTextOf(result.json)).toBe(PLAIN);
  },
  "sse-for-json": async () => {
    const result = await json("sse-for-json");
    expect(result.headers.get("content-type")).toContain("text/event-stream");
    expect(textOf(result)).toBe(PLAIN);
  },
  gzip: answers("gzip", ({ headers }) => expect(headers.get("content-encoding")).toBe("gzip")),
  "bad-encoding": async () => {
    expect((await json("bad-encoding")).broken).toBe(true);
    expect((await stream("bad-encoding")).broken).toBe(true);
  },
  "invalid-utf8": async () => {
    expect((await json("invalid-utf8")).text).toContain("\uFFFD\uFFFD\uFFFD(");
    expect(deltaText(await stream("invalid-utf8"))).toContain("\uFFFD");
  },
  unicode: async () => {
    const chunks = await chunksOf(emulator, body("unicode"));
    const cut = (chunk: Buffer): boolean => ((chunk[0] ?? 0) & 0xc0) === 0x80;
    expect(chunks.filter(cut).length).toBeGreaterThan(20);
    expect(textOf(await stream("unicode"))).toContain("你好，世界 🙂 👩‍👩‍👧");
  },
  "split-surrogates": async () => {
    const { events } = await stream("split-surrogates");
    const pieces = events.flatMap(({ delta }) => asText(delta) ?? []);
    expect(pieces.some((piece) => !piece.isWellFormed())).toBe(true);
    expect(pieces.join("")).toContain("你好，世界 🙂 👩‍👩‍👧");
  },
  splits: async () => {
    const chunks = await chunksOf(emulator, body("splits", { stream: true }));
    expect(new Set(chunks.map(({ length }) => length))).toEqual(new Set([1]));
    expect(outputTextOf(terminalOf(eventsIn(Buffer.concat(chunks).toString())))).toBe(PLAIN);
    expect(emulator.received[0]?.events_sent).toBe(11);
  },
  "endless-event": async () => {
    const result = await askAndDisconnect("endless-event", longerThan(300_000), { stream: true });
    expect(result.text).toMatch(/response\.output_text\.delta\ndata: [^\n]{200000,}$/);
    expect((await askAndDisconnect("endless-event", longerThan(300_000))).text).not.toContain("}");
  },

  cut: async () => {
    const result = await stream("cut");
    expect([result.broken, deltaText(result)]).toEqual([false, "You said:"]);
    const broken = await json("cut");
    expect([broken.status, broken.broken, broken.json]).toEqual([200, true, {}]);
  },
  reset: async () => {
    const result = await stream("reset");
    expect([result.status, result.broken, deltaText(result)]).toEqual([200, true, "You said:"]);
    expect((await json("reset")).broken).toBe(true);
    expect(emulator.received[0]?.ended).toBe("complete");
  },
  "reset-before-headers": async () => {
    const result = await json("reset-before-headers");
    expect([result.status, result.broken]).toEqual([0, true]);
  },
  "first-byte": async () => {
    const before = performance.now();
    expect(textOf(await stream("first-byte/30"))).toBe(PLAIN);
    expect(performance.now() - before).toBeGreaterThanOrEqual(29);
  },
  slow: async () => {
    const before = performance.now();
    expect([textOf(await stream("slow/10")), textOf(await json("slow/20"))]).toEqual([PLAIN, PLAIN]);
    expect(performance.now() - before).toBeGreaterThanOrEqual(45);
  },
  stall: async () => {
    const result = await askAndDisconnect("stall", (text) => text.includes('" said:"'), { stream: true });
    expect([result.broken, deltaText(result)]).toEqual([true, "You said:"]);
    await expect.poll(() => emulator.received[0]?.ended).toBe("client_left");
  },
  drip: async () => {
    const result = await askAndDisconnect("drip", longerThan(9));
    expect(result.text.length).toBeLessThan(100);
    expect(result.text).toMatch(/^\{"id":"re/);
  },
};

test("GET /v1/models lists every entry of the menu with a description, and this file tests every entry", async () => {
  const authorization = "Bearer sk-any";
  const answer = await fetch(`${emulator.url}/v1/models`, { headers: { authorization } });
  const list = (await answer.json()) as JsonObject;
  expect(list["object"]).toBe("list");
  const entries = asObjects(list["data"]).filter(({ id }) => asText(id)?.startsWith("emulate/"));
  const names = entries.map(({ id }) => asText(id)?.split("/")[1]);
  // emulator-families.test.ts tests the families, each of which the list shows by its first member.
  const ofFamilies = FAMILIES.map(({ members }) => Object.keys(members)[0]);
  expect(names.toSorted()).toEqual([...Object.keys(MENU), ...ofFamilies].toSorted());
  for (const { description, object } of entries) {
    expect([typeof description, object]).toEqual(["string", "model"]);
  }
  expect(asObjects(list["data"])).toContainEqual(expect.objectContaining({ id: "gpt-6-sol" }));
});

test("entries joined by + change one answer together, and an ordinary name may come first", async () => {
  const { events } = await stream("reasons+without-created+no-indexes");
  expect(events[0]?.["type"]).toBe("response.in_progress");
  expect(itemTypes(terminalOf(events))).toEqual(["reasoning", "message"]);
  expect(JSON.stringify(events)).not.toContain("_index");
  const named = await ask(emulator, { model: "gpt-6-sol/emulate/reasons", input: "hi" });
  expect(itemTypes(named.json)).toEqual(["reasoning", "message"]);
  expect((await json("reasons+nothing-like-it")).status).toBe(503);
});

test.each(Object.entries(MENU))("emulate/%s behaves as described", (_name, check) => check());
