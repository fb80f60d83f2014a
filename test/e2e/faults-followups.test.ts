// Follow-ups to an upstream that has lost what they refer to: each way in which a backend says that it has no such response, no such call or
// no such item. SWEEP=1 takes each way in each form, with and without tools.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import { FORGETS_CALLS, FORGETS_CHAIN, FORGETS_ITEMS } from "../emulator/lost-faults.ts";
import { type HttpResponse, parseEvents, PROMPT, startWorker, UPSTREAM_KEY, type Worker } from "./worker.ts";

type Json = Record<string, unknown>;

const IS_SWEEP = process.env["SWEEP"] === "1";

let emulator: Emulator;
let worker: Worker;
/** For the loops of agents, since one Worker allows a caller 600 requests in a minute. */
let agentsWorker: Worker;
beforeAll(async () => {
  emulator = await startEmulator({ key: UPSTREAM_KEY });
  worker = await startWorker(emulator.url);
  agentsWorker = await startWorker(emulator.url);
});
afterAll(async () => {
  await worker.stop();
  await agentsWorker.stop();
  await emulator.close();
});

interface Answer {
  status: number;
  id: string;
  text: string;
  output: Json[];
  continuity: string | undefined;
}
type Form = (body: Json, to?: Worker) => Promise<Answer>;

const objects = (value: unknown): Json[] => (Array.isArray(value) ? (value as Json[]) : []);

function answerOf(response: HttpResponse, body: Json): Answer {
  const calls = objects(body["tool_calls"]).map((call) => ({ type: "function_call", ...call }));
  return {
    status: response.status,
    id: String(body["id"]),
    text: String(body["output_text"] ?? body["text"]),
    output: body["output"] === undefined ? calls : objects(body["output"]),
    continuity: response.headers["x-continuity"],
  };
}

const lastOf = (response: HttpResponse): Json =>
  response.status === 200
    ? (parseEvents(response.text.replace("data: [DONE]\n\n", "")).at(-1)?.data ?? {})
    : (JSON.parse(response.text) as Json);

const post = (body: Json, to = worker): Promise<HttpResponse> => to.send("/v1/responses", { body });
const FORMS: Record<string, Form> = {
  async "/ask as JSON"(body) {
    const response = await worker.ask(body);
    return answerOf(response, JSON.parse(response.text) as Json);
  },
  async "/ask as events"(body) {
    const response = await worker.ask({ ...body, stream: true });
    return answerOf(response, lastOf(response));
  },
  async "/v1/responses as JSON"(body, to) {
    const response = await post(body, to);
    return answerOf(response, JSON.parse(response.text) as Json);
  },
  async "/v1/responses as a stream"(body, to) {
    const response = await post({ ...body, stream: true }, to);
    const last = lastOf(response);
    return answerOf(response, (last["response"] as Json | undefined) ?? last);
  },
};

const TOOLS = [
  { type: "function", name: "get_weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
];

/** The bodies of upstream calls that contain a text. */
const callsWith = (text: string): Json[] =>
  emulator.received.flatMap(({ raw, body }) => (raw.includes(text) ? [body as Json] : []));

const callIdOf = ({ output }: Answer): unknown => output.find(({ type }) => type === "function_call")?.["call_id"];

/** Asks a first question, a follow-up that upstream refuses, and another follow-up. */
async function converse(model: string, ask: Form, mark: string, withTools: boolean): Promise<void> {
  const [one, two, three] = ["one", "two", "three"].map((word) => `${PROMPT} ${mark} ${word}`);
  const tools = withTools ? { tools: TOOLS } : {};
  const first = await ask({ model, input: one, ...tools });
  expect(first.status).toBe(200);
  const followUp = withTools ? [{ type: "function_call_output", call_id: callIdOf(first), output: two }] : two;
  const second = await ask({ model, input: followUp, previous_response_id: first.id, ...tools });
  expect(second).toMatchObject({
    status: 200,
    continuity: "replayed",
    text: withTools
      ? `You said: "${one}". Function outputs: "${two}".`
      : `Turn 2. You said: "${two}". Before that you said: "${one}".`,
  });
  const calls = callsWith(two ?? "");
  expect(calls.length, "one refused call and one replay").toBe(2);
  expect([calls[0]?.["previous_response_id"], calls[1]?.["previous_response_id"]]).toEqual([
    expect.any(String),
    undefined,
  ]);
  expect(JSON.stringify(calls[1]), "the whole conversation").toContain(one);
  const third = await ask({ model, input: three, previous_response_id: second.id, tool_choice: "none" });
  expect([third.status, third.continuity, callsWith(three ?? "").length]).toEqual([200, "replayed", 1]);
}

type Case = readonly [name: string, run: () => Promise<void>];

/** What is wrong with each case, by its name. A group's cases run one after another, the groups at the same time. */
async function wrongIn(groups: readonly (readonly Case[])[]): Promise<Record<string, string>> {
  const wrong: Record<string, string> = {};
  const work = async (group: readonly Case[]): Promise<void> => {
    for (const [name, run] of group) {
      await run().catch((error: unknown) => {
        wrong[name] = String(error).slice(0, 500);
      });
    }
  };
  await Promise.all(groups.map(work));
  return wrong;
}

const WAYS = ["forgets-chain", ...Object.keys(FORGETS_CHAIN).map((way) => `forgets-chain-${way}`)];
const CALL_WAYS = Object.keys(FORGETS_CALLS).map((way) => `forgets-calls-${way}`);

/**
 * The conversations of one way: two of the forms, one of them with tools, which differ from way to way. Whether a model continues by id is
 * remembered by its name, so each has a name of its own.
 */
function conversations(way: string, at: number, tools: readonly boolean[]): Case[] {
  return Object.entries(FORMS).flatMap(([form, ask], number) =>
    tools
      .filter((withTools) => IS_SWEEP || (number % 2 === at % 2 && (tools.length === 1 || withTools === number < 2)))
      .map((withTools): Case => {
        const name = `${way} on ${form}${withTools ? " with tools" : ""}`;
        const model = `emulate/${way}/${2 * number + Number(withTools)}`;
        return [name, () => converse(model, ask, name, withTools)];
      }),
  );
}

test.concurrent("each way to refuse previous_response_id: a follow-up is answered by a replay after one unpaid refusal, and the next one by a replay at once", async () => {
  expect(await wrongIn(WAYS.map((way, at) => conversations(way, at, [false, true])))).toEqual({});
});

test.concurrent("each way to refuse a tool's output without its call: a follow-up is answered by a replay after one unpaid refusal, and the next one by a replay at once", async () => {
  expect(await wrongIn(CALL_WAYS.map((way, at) => conversations(way, at, [true])))).toEqual({});
});

test("an answer whose stream changed its id is continued by the last one", async () => {
  for (const [form, ask] of Object.entries(FORMS)) {
    const model = "emulate/id-changes";
    const first = await ask({ model, input: `${PROMPT} ${form} changes` });
    const second = await ask({ model, input: `${PROMPT} ${form} follows`, previous_response_id: first.id });
    expect([second.status, second.continuity, callsWith(`${form} follows`).length]).toEqual([200, "upstream", 1]);
    expect(second.text).toContain(`Before that you said: "${PROMPT} ${form} changes"`);
  }
});

test("an approval is replayed together with the request that it answers", async () => {
  const model = "emulate/asks-approval+forgets-chain-param";
  for (const ask of [FORMS["/v1/responses as JSON"], FORMS["/v1/responses as a stream"]]) {
    const first = await ask?.({ model, input: `${PROMPT} may it run?` });
    const [request] = first?.output ?? [];
    expect(request).toMatchObject({ type: "mcp_approval_request", id: expect.any(String) as string });
    const input = [{ type: "mcp_approval_response", approval_request_id: request?.["id"], approve: true }];
    const second = await ask?.({ model, input, previous_response_id: first?.id });
    expect(second).toMatchObject({ status: 200, continuity: "replayed", text: `You said: "${PROMPT} may it run?".` });
    const sent = objects(callsWith("mcp_approval_response").at(-1)?.["input"]);
    const [asked, answered] = ["mcp_approval_request", "mcp_approval_response"].map((type) =>
      sent.find((item) => item["type"] === type),
    );
    expect(answered?.["approval_request_id"]).toBe(asked?.["id"]);
  }
});

/** How agents send a conversation with its items. */
const HISTORIES: Record<string, (output: readonly Json[]) => Json[]> = {
  "whole items with ids": (output) => [...output],
  "item references": (output) =>
    output.map((item) =>
      item["type"] === "function_call" ? withoutId(item) : { type: "item_reference", id: item["id"] },
    ),
  "references without a type": (output) =>
    output.map((item) => (item["type"] === "function_call" ? withoutId(item) : { id: item["id"] })),
  "sealed reasoning": (output) => output.map((item) => (item["type"] === "reasoning" ? item : withoutId(item))),
};

function withoutId(item: Json): Json {
  const { id: _, ...rest } = item;
  return rest;
}

const ITEM_WAYS = [
  "emulate/forgets-items",
  ...Object.keys(FORGETS_ITEMS).map((way) => `emulate/forgets-items-${way}`),
  "emulate/shares-nothing",
  "gpt-6-sol/emulate/shares-nothing",
];

/** A tool loop of two steps, and a question after it. */
async function loop(model: string, form: string, history: string): Promise<void> {
  const [say, send] = [FORMS[form], HISTORIES[history]];
  if (say === undefined || send === undefined) return;
  const ask = (body: Json): Promise<Answer> => say(body, agentsWorker);
  const mark = `${model} ${history} ${form}`;
  const question = { role: "user", content: `${PROMPT} ${mark}` };
  const first = await ask({ model, input: [question], tools: TOOLS });
  expect(first.output.map(({ type }) => type)).toEqual(["reasoning", "function_call"]);
  const result = { type: "function_call_output", call_id: callIdOf(first), output: `sunny ${mark}` };
  const step = [question, ...send(first.output), result];
  const second = await ask({ model, input: step, tools: TOOLS });
  expect([second.status, second.text]).toEqual([
    200,
    `You said: "${PROMPT} ${mark}". Function outputs: "sunny ${mark}".`,
  ]);
  expect(callsWith(`sunny ${mark}`).length, "at most one more try").toBeLessThanOrEqual(2);
  const next = { role: "user", content: `and after ${mark}?` };
  const third = await ask({ model, input: [...step, ...send(second.output), next], tool_choice: "none" });
  expect([third.status, third.text]).toEqual([200, expect.stringMatching(/^Turn 2\. /)]);
  expect(callsWith(`and after ${mark}?`).length, "at most one more try").toBeLessThanOrEqual(2);
}

test.concurrent("each way to refuse an item: a tool loop of two steps and a question after it are answered, however an agent sends its items", async () => {
  const groups = ITEM_WAYS.map((model, at) =>
    ["/v1/responses as JSON", "/v1/responses as a stream"].flatMap((form, number) =>
      Object.keys(HISTORIES)
        .filter((_, which) => IS_SWEEP || (which + at) % 2 === number)
        .map((history): Case => [`${model}, ${history} on ${form}`, () => loop(model, form, history)]),
    ),
  );
  expect(await wrongIn(groups)).toEqual({});
});

test("a reference to an item that no turn of the caller holds is OpenAI's 404", async () => {
  const response = await post({
    model: "emulate/shares-nothing",
    input: [
      { type: "item_reference", id: "msg_unknown" },
      { role: "user", content: PROMPT },
    ],
  });
  expect([response.status, JSON.parse(response.text)]).toMatchObject([
    404,
    { error: { type: "invalid_request_error", code: "item_not_found", param: "input" } },
  ]);
});

const BIG = "9223372036854775807";

test("an integer beyond 2^53 passes unchanged: into a tool's schema, into the echo, into arguments, text and data", async () => {
  const parameters = `{"type":"object","properties":{"n":{"type":"integer","maximum":${BIG}}}}`;
  const tools = `[{"type":"function","name":"f","parameters":${parameters}}]`;
  for (const stream of [false, true]) {
    const body = `{"model":"emulate/big-integers","input":"${PROMPT} big ${stream}","stream":${stream},"tools":${tools}}`;
    for (const path of ["/v1/responses", "/ask"]) {
      const response = await worker.send(path, { body, headers: { "content-type": "application/json" } });
      expect(response.text).toContain(`{\\"id\\":${BIG}}`);
      if (path === "/v1/responses") expect(response.text).toContain(`"maximum":${BIG}`);
    }
    const sent = emulator.received.filter(({ raw }) => raw.includes(`big ${stream}`));
    expect(sent.map(({ raw }) => raw.includes(`"maximum":${BIG}`))).toEqual([true, true]);
  }
  const schema = { type: "object", properties: { id: { type: "integer" } } };
  const answer = await worker.ask({ model: "emulate/big-integers", input: `${PROMPT} data`, schema });
  expect(answer.text).toContain(`"data":{"id":${BIG}}`);
});
