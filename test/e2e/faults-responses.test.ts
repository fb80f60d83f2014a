// Every fault of the emulator's menu over real HTTP on /v1/responses: as JSON, as a stream, and sent twice with one Idempotency-Key. Every
// object and event must also match /openapi.json. test/clients tests how SDKs read these responses.
import { afterAll, beforeAll, expect, test } from "vitest";
import { openApiDocument } from "../../src/openapi/document.ts";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import { judge, type OpenApi } from "../support/openapi.ts";
import { NEEDS_SHORT_DEADLINES, mayBePaid, type Refused, STATUS, streamOutcome } from "./fault-table.ts";
import {
  firstOutcome,
  RESPONSES_FORMS,
  RESPONSES_ROWS,
  type ResponsesForm,
  responsesPromiseOf,
  responsesPromiseOnce,
  type ResponsesRow,
} from "./fault-table-responses.ts";
import { errorOf, type HttpResponse, json, PROMPT, startWorker, UPSTREAM_KEY, type Worker } from "./worker.ts";

/** No request may hang. A stream that arrives byte by byte takes long on a busy machine. */
const BOUND_MS = 20_000;
const RESPONSES = { path: "/v1/responses", method: "post" };
const judged = judge(JSON.parse(JSON.stringify(openApiDocument("0"))) as OpenApi);

type Json = Record<string, unknown>;

let emulator: Emulator;
let worker: Worker;
/** Has short deadlines. */
let impatient: Worker;
beforeAll(async () => {
  emulator = await startEmulator({ key: UPSTREAM_KEY });
  worker = await startWorker(emulator.url);
  impatient = await startWorker(emulator.url, { DEADLINES: '{"upstream_first_byte":800,"upstream_idle":800}' });
});
afterAll(async () => {
  await worker.stop();
  await impatient.stop();
  await emulator.close();
});

async function respond(name: string, fields: Json, headers: Record<string, string> = {}): Promise<HttpResponse> {
  // SDKs send this header for streams, too.
  const request = {
    body: { model: `emulate/${name}`, ...fields },
    headers: { accept: "application/json", ...headers },
  };
  const response = await (NEEDS_SHORT_DEADLINES.test(name) ? impatient : worker).send("/v1/responses", request);
  expect(response.ms).toBeLessThan(BOUND_MS);
  return response;
}

const callsOf = (input: string): number =>
  emulator.received.filter(({ raw }) => raw.includes(JSON.stringify(input))).length;

/** Asserts what SDKs read: the status, two headers and the error body. */
function expectRefusal(response: HttpResponse, { status, code, param = "", final, retryAfter }: Refused): void {
  const error = errorOf(response);
  expect([response.status, error.code, error.param]).toEqual([status, code, param]);
  expect([response.headers["x-should-retry"], response.headers["retry-after"]]).toEqual([
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
        ? { code: "server_error", message: expect.stringContaining("may have been billed") as string }
        : null,
  });
  if (refusal !== undefined) expect(object["output"]).toMatchObject([{ content: [{ type: "refusal", refusal }] }]);
}

const answerOf = (name: string, input: string): Json => RESPONSES_ROWS[name]?.answer?.(`You said: "${input}".`) ?? {};

/** The events of a stream. Asserts their numbers and the end: `[DONE]`, or an error and a broken connection. */
function eventsOf(response: HttpResponse): Json[] {
  expect([response.status, response.headers["content-type"]]).toEqual([200, "text/event-stream; charset=utf-8"]);
  const frames = response.text.split(/\r?\n\r?\n/).filter((frame) => frame !== "");
  expect(frames.indexOf("data: [DONE]")).toBe(response.broken ? -1 : frames.length - 1);
  const events = frames.flatMap((frame) => {
    const [, name, data = ""] = /^(?:event: (.*)\r?\n)?data: ?(.*)$/.exec(frame) ?? [];
    if (data === "[DONE]") return [];
    const event = JSON.parse(data) as Json;
    expect(name ?? event["type"]).toBe(event["type"]);
    expect(judged.answer(RESPONSES, { status: 200, type: "text/event-stream", body: event, event: true })).toBe(null);
    return [event];
  });
  expect(events.map((event) => event["sequence_number"])).toEqual(events.map((_, at) => at));
  expect(events.filter(({ type }) => type === "error")).toHaveLength(response.broken ? 1 : 0);
  return events;
}

const textIn = (events: readonly Json[]): string =>
  events.map((event) => (event["type"] === "response.output_text.delta" ? String(event["delta"]) : "")).join("");

/** Asserts the last event of a failed stream, which has the error in both of the forms that clients read. */
function expectBroken(response: HttpResponse, code: string, textFirst: boolean): void {
  const events = eventsOf(response);
  expect([response.broken, textIn(events) !== ""]).toEqual([true, textFirst]);
  const { sequence_number: _, ...last } = events.at(-1) ?? {};
  const text = expect.any(String) as string;
  const error = { message: text, type: text, code, param: "", request_id: response.headers["x-request-id"] };
  expect(last).toEqual({ type: "error", code, param: "", message: text, error });
  expect((last["error"] as Json)["message"]).toBe(last["message"]);
}

/** @returns the response of the terminal event */
function expectComplete(response: HttpResponse, name: string, input: string): Json {
  expect(response.broken).toBe(false);
  const events = eventsOf(response);
  const withResponse = events.flatMap(({ type, response }) =>
    response === undefined ? [] : [{ type, response: response as Json }],
  );
  const last = withResponse.at(-1);
  const { status } = last?.response ?? {};
  expect([events[0]?.["type"], events.at(-1)?.["type"], last?.type]).toEqual([
    "response.created",
    `response.${String(status)}`,
    `response.${String(status)}`,
  ]);
  for (const { response } of withResponse) expect(response["id"]).toMatch(/^resp_ue1_/);
  expectObject(last?.response ?? {}, name, input);
  expect(textIn(events)).toBe(name === "no-deltas" ? "" : last?.response["output_text"]);
  return last?.response ?? {};
}

async function once(name: string, row: ResponsesRow, form: ResponsesForm): Promise<void> {
  const input = `${PROMPT} ${name} as ${form} on responses`;
  const { refused, fails } = firstOutcome(row, form);
  const response = await respond(name, { input, ...(form === "stream" ? { stream: true } : {}) });
  if (refused !== undefined) expectRefusal(response, refused);
  else if (fails !== undefined) expectBroken(response, fails.code, fails.textFirst);
  else if (form === "stream") expectComplete(response, name, input);
  else expectObject(json(response), name, input);
  expect(callsOf(input), "calls of upstream").toBe(1);
}

async function twice(name: string, row: ResponsesRow): Promise<void> {
  const input = `${PROMPT} ${name} twice on responses`;
  const key = { "idempotency-key": crypto.randomUUID() };
  const first = await respond(name, { input, stream: true }, key);
  const second = await respond(name, { input }, key);
  const { refused, fails } = firstOutcome(row, "stream");
  if (refused !== undefined) expectRefusal(first, refused);
  else if (fails !== undefined) expectBroken(first, fails.code, fails.textFirst);
  if (row.once !== undefined) expectObject(json(second), name, input);
  else if (refused !== undefined) expectRefusal(second, refused);
  else if (fails !== undefined) {
    expect([second.status, errorOf(second).code]).toEqual([STATUS[fails.code], fails.code]);
    expect(second.headers["x-should-retry"]).toBe(mayBePaid({ fails }) ? "false" : undefined);
  } else expect(json(second)).toEqual(expectComplete(first, name, input));
  const calledTwice = row.once !== undefined || ((refused ?? fails) !== undefined && !mayBePaid(streamOutcome(row)));
  expect(callsOf(input), "calls of upstream").toBe(calledTwice ? 2 : 1);
}

for (const [name, row] of Object.entries(RESPONSES_ROWS)) {
  for (const form of RESPONSES_FORMS) {
    const promise = responsesPromiseOf(row, form);
    if (promise !== undefined) test.concurrent(`emulate/${name} as ${form}: ${promise}`, () => once(name, row, form));
  }
  const promise = responsesPromiseOnce(row);
  if (promise !== undefined)
    test.concurrent(`emulate/${name}, sent twice with one Idempotency-Key: ${promise}`, () => twice(name, row));
}

test("after all these faults, KV contains only requests that were answered", async () => {
  const stored = [...(await worker.kv()).values()].join("\n");
  for (const [name, row] of Object.entries(RESPONSES_ROWS)) {
    if (NEEDS_SHORT_DEADLINES.test(name) || row.once !== undefined) continue;
    for (const form of RESPONSES_FORMS) {
      const { refused, fails } = firstOutcome(row, form);
      const isAnswer = refused === undefined && fails === undefined && row.answer?.("")["status"] !== "failed";
      if (!isAnswer) expect(stored, name).not.toContain(`${PROMPT} ${name} as ${form} on responses`);
    }
  }
  for (const form of [...RESPONSES_FORMS.map((one) => `as ${one}`), "twice"])
    expect(stored).toContain(`${PROMPT} text ${form} on responses`);
});
