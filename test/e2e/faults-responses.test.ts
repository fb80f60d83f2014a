// The emulator's whole menu of faults over real HTTP on /v1/responses: whole, as a stream, and sent twice with one Idempotency-Key. Every
// object and every event is held to /openapi.json, too. What SDKs make of it: test/clients.
import { afterAll, beforeAll, expect, test } from "vitest";
import { openApiDocument } from "../../src/openapi/document.ts";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import { judge, type OpenApi } from "../support/openapi.ts";
import { HURRIED, mayBePaid, type Refused, STATUS, streamedOf } from "./fault-table.ts";
import {
  firstOf,
  RESPONSES_FORMS,
  RESPONSES_ROWS,
  type ResponsesForm,
  responsesPromiseOf,
  responsesPromiseOnce,
  type ResponsesRow,
} from "./fault-table-responses.ts";
import { errorOf, type Got, json, PROMPT, startWorker, UPSTREAM_KEY, type Worker } from "./worker.ts";

/** Nothing hangs; what takes long on a busy machine is a stream whose bytes come one by one. */
const BOUND_MS = 20_000;
const RESPONSES = { path: "/v1/responses", method: "post" };
const judged = judge(JSON.parse(JSON.stringify(openApiDocument("0"))) as OpenApi);

type Json = Record<string, unknown>;

let emulator: Emulator;
let worker: Worker;
/** With deadlines that a test can wait for. */
let hurried: Worker;
beforeAll(async () => {
  emulator = await startEmulator({ key: UPSTREAM_KEY });
  worker = await startWorker(emulator.url);
  hurried = await startWorker(emulator.url, { DEADLINES: '{"upstream_first_byte":400,"upstream_idle":400}' });
});
afterAll(async () => {
  await worker.stop();
  await hurried.stop();
  await emulator.close();
});

async function respond(name: string, fields: Json, headers: Record<string, string> = {}): Promise<Got> {
  // What SDKs accept says nothing of the form.
  const asking = { body: { model: `emulate/${name}`, ...fields }, headers: { accept: "application/json", ...headers } };
  const got = await (HURRIED.test(name) ? hurried : worker).send("/v1/responses", asking);
  expect(got.ms).toBeLessThan(BOUND_MS);
  return got;
}

const callsOf = (input: string): number =>
  emulator.received.filter(({ raw }) => raw.includes(JSON.stringify(input))).length;

/** To an SDK: by its status, its two headers and all five texts. */
function expectRefusal(got: Got, { status, code, param = "", final, retryAfter }: Refused): void {
  const error = errorOf(got);
  expect([got.status, error.code, error.param]).toEqual([status, code, param]);
  expect([got.headers["x-should-retry"], got.headers["retry-after"]]).toEqual([
    final ? "false" : undefined,
    retryAfter,
  ]);
}

function expectObject(object: Json, name: string, input: string): void {
  const {
    text = "",
    refusal,
    usage = expect.any(Object) as unknown,
    status = "completed",
    incomplete_reason,
  } = answerOf(name, input);
  expect(judged.answer(RESPONSES, { status: 200, type: "application/json", body: object })).toBe(null);
  expect(object).toMatchObject({
    id: expect.stringMatching(/^resp_ue1_[\w-]{1,247}$/) as string,
    object: "response",
    previous_response_id: null,
    model: `emulator/emulate/${name}`,
    status,
    output_text: text,
    usage,
    incomplete_details: incomplete_reason === undefined ? null : { reason: incomplete_reason },
    error:
      status === "failed"
        ? { code: "server_error", message: expect.stringContaining("pay for it twice") as string }
        : null,
  });
  if (refusal !== undefined) expect(object["output"]).toMatchObject([{ content: [{ type: "refusal", refusal }] }]);
}

const answerOf = (name: string, input: string): Json => RESPONSES_ROWS[name]?.answer?.(`You said: "${input}".`) ?? {};

/** The events of a stream, which counts them, begins with a response and ends in `[DONE]`, or in an error and a broken connection. */
function eventsOf(got: Got): Json[] {
  expect([got.status, got.headers["content-type"]]).toEqual([200, "text/event-stream; charset=utf-8"]);
  const frames = got.text.split(/\r?\n\r?\n/).filter((frame) => frame !== "");
  expect(frames.indexOf("data: [DONE]")).toBe(got.broke ? -1 : frames.length - 1);
  const events = frames.flatMap((frame) => {
    const [, name, data = ""] = /^(?:event: (.*)\r?\n)?data: ?(.*)$/.exec(frame) ?? [];
    if (data === "[DONE]") return [];
    const event = JSON.parse(data) as Json;
    expect(name ?? event["type"]).toBe(event["type"]);
    expect(judged.answer(RESPONSES, { status: 200, type: "text/event-stream", body: event, event: true })).toBe(null);
    return [event];
  });
  expect(events.map((event) => event["sequence_number"])).toEqual(events.map((_, at) => at));
  expect(events.filter(({ type }) => type === "error")).toHaveLength(got.broke ? 1 : 0);
  return events;
}

const spokenIn = (events: readonly Json[]): string =>
  events.map((event) => (event["type"] === "response.output_text.delta" ? String(event["delta"]) : "")).join("");

/** The last event of a stream that breaks, for readers of either form. */
function expectBroken(got: Got, code: string, said: boolean): void {
  const events = eventsOf(got);
  expect([got.broke, spokenIn(events) !== ""]).toEqual([true, said]);
  const { sequence_number: _, ...last } = events.at(-1) ?? {};
  const text = expect.any(String) as string;
  const error = { message: text, type: text, code, param: "", request_id: got.headers["x-request-id"] };
  expect(last).toEqual({ type: "error", code, param: "", message: text, error });
  expect((last["error"] as Json)["message"]).toBe(last["message"]);
}

/** @returns the response of the terminal event */
function expectWhole(got: Got, name: string, input: string): Json {
  expect(got.broke).toBe(false);
  const events = eventsOf(got);
  const shown = events.flatMap(({ type, response }) =>
    response === undefined ? [] : [{ type, response: response as Json }],
  );
  const last = shown.at(-1);
  const { status } = last?.response ?? {};
  expect([events[0]?.["type"], events.at(-1)?.["type"], last?.type]).toEqual([
    "response.created",
    `response.${String(status)}`,
    `response.${String(status)}`,
  ]);
  for (const { response } of shown) expect(response["id"]).toMatch(/^resp_ue1_/);
  expectObject(last?.response ?? {}, name, input);
  expect(spokenIn(events)).toBe(name === "no-deltas" ? "" : last?.response["output_text"]);
  return last?.response ?? {};
}

async function once(name: string, row: ResponsesRow, form: ResponsesForm): Promise<void> {
  const input = `${PROMPT} ${name} as ${form} on responses`;
  const { refused, fails } = firstOf(row, form);
  const got = await respond(name, { input, ...(form === "stream" ? { stream: true } : {}) });
  if (refused !== undefined) expectRefusal(got, refused);
  else if (fails !== undefined) expectBroken(got, fails.code, fails.said);
  else if (form === "stream") expectWhole(got, name, input);
  else expectObject(json(got), name, input);
  expect(callsOf(input), "calls of upstream").toBe(1);
}

async function twice(name: string, row: ResponsesRow): Promise<void> {
  const input = `${PROMPT} ${name} twice on responses`;
  const key = { "idempotency-key": crypto.randomUUID() };
  const streamed = await respond(name, { input, stream: true }, key);
  const whole = await respond(name, { input }, key);
  const { refused, fails } = firstOf(row, "stream");
  if (refused !== undefined) expectRefusal(streamed, refused);
  else if (fails !== undefined) expectBroken(streamed, fails.code, fails.said);
  if (row.once !== undefined) expectObject(json(whole), name, input);
  else if (refused !== undefined) expectRefusal(whole, refused);
  else if (fails !== undefined) {
    expect([whole.status, errorOf(whole).code]).toEqual([STATUS[fails.code], fails.code]);
    expect(whole.headers["x-should-retry"]).toBe(mayBePaid({ fails }) ? "false" : undefined);
  } else expect(json(whole)).toEqual(expectWhole(streamed, name, input));
  const isAnew = row.once !== undefined || ((refused ?? fails) !== undefined && !mayBePaid(streamedOf(row)));
  expect(callsOf(input), "calls of upstream").toBe(isAnew ? 2 : 1);
}

for (const [name, row] of Object.entries(RESPONSES_ROWS)) {
  for (const form of RESPONSES_FORMS) {
    const promise = responsesPromiseOf(row, form);
    if (promise !== undefined)
      test.concurrent(`emulate/${name}, asked for as ${form}: ${promise}`, () => once(name, row, form));
  }
  const promise = responsesPromiseOnce(row);
  if (promise !== undefined)
    test.concurrent(`emulate/${name}, sent twice with one Idempotency-Key: ${promise}`, () => twice(name, row));
}

test("of all these, only what was answered stands in KV afterwards", async () => {
  const kept = [...(await worker.kv()).values()].join("\n");
  for (const [name, row] of Object.entries(RESPONSES_ROWS)) {
    if (HURRIED.test(name) || row.once !== undefined) continue;
    for (const form of RESPONSES_FORMS) {
      const { refused, fails } = firstOf(row, form);
      const isAnswer = refused === undefined && fails === undefined && row.answer?.("")["status"] !== "failed";
      if (!isAnswer) expect(kept, name).not.toContain(`${PROMPT} ${name} as ${form} on responses`);
    }
  }
  for (const form of [...RESPONSES_FORMS.map((one) => `as ${one}`), "twice"])
    expect(kept).toContain(`${PROMPT} text ${form} on responses`);
});
