// Checks of a response against its row of the fault table of /v1/responses. Every object and event must also match /openapi.json.
import { expect } from "vitest";
import { openApiDocument } from "../../src/openapi/document.ts";
import { judge, type OpenApi } from "../support/openapi.ts";
import { BOUND_MS, type Case, callsOf, modelOf, NONSENSE, textOf } from "./fault-checks.ts";
import type { Refused, Row } from "./fault-table.ts";
import { firstOutcome, openAiPair, type ResponsesForm, type ResponsesRow } from "./fault-table-responses.ts";
import { type HttpResponse, json } from "./worker.ts";

const RESPONSES = { path: "/v1/responses", method: "post" };
const judged = judge(JSON.parse(JSON.stringify(openApiDocument("0"))) as OpenApi);

type Json = Record<string, unknown>;

const objects = (value: unknown): Json[] => (Array.isArray(value) ? (value as Json[]) : []);

/** The error of a response. Asserts its six fields: OpenAI's pair of `type` and `code`, and our code in `detail_code`. */
export function responsesErrorOf(response: HttpResponse): Json {
  const error = json(response)["error"] as Json;
  const text = expect.any(String) as string;
  const [type, code] = openAiPair(String(error["detail_code"]));
  const isOwn = error["detail_code"] === "upstream_rejected";
  expect(error).toEqual({
    message: text,
    type,
    code: isOwn ? text : code,
    param: text,
    request_id: response.headers["x-request-id"],
    detail_code: text,
  });
  return error;
}

/** Asserts what SDKs read: the status, two headers and the error body. */
export function expectResponsesRefusal(
  response: HttpResponse,
  { status, code, param = "", final, retryAfter }: Refused,
): void {
  const error = responsesErrorOf(response);
  const isOwn = status === 400;
  expect([response.status, isOwn ? error["code"] : error["detail_code"], error["param"]]).toEqual([
    status,
    code,
    param,
  ]);
  expect([response.headers["x-should-retry"], response.headers["retry-after"]]).toEqual([
    final ? "false" : undefined,
    retryAfter,
  ]);
}

/** What /ask would show of the output: its calls, citations and summary. */
function shownIn(output: readonly Json[]): Json {
  const parts = output.flatMap((item) => (item["type"] === "message" ? objects(item["content"]) : []));
  const calls = output.filter(({ type }) => type === "function_call");
  const citations = parts.flatMap((part) => objects(part["annotations"]));
  const summary = output.flatMap(({ type, summary: texts }) => (type === "reasoning" ? objects(texts) : []));
  return {
    ...(calls.length > 0
      ? {
          tool_calls: calls.map(({ call_id, name, arguments: given }) => ({ call_id, name, arguments: given })),
        }
      : {}),
    ...(citations.length > 0 ? { citations } : {}),
    ...(summary.length > 0 ? { reasoning_summary: summary.map(({ text }) => text).join("\n\n") } : {}),
  };
}

/** Asserts the object, and that each of its items has an id of its own. */
export function expectObject(object: Json, each: Case): void {
  const {
    text = "",
    refusal,
    usage = expect.any(Object) as unknown,
    status = "completed",
    incomplete_reason,
    model = `emulator/${modelOf(each)}`,
    ...shown
  } = each.row.answer?.(textOf(each)) ?? {};
  expect(judged.answer(RESPONSES, { status: 200, type: "application/json", body: object })).toBe(null);
  expect(object).toMatchObject({
    id: expect.stringMatching(/^resp_ue1_[\w-]{1,247}$/) as string,
    object: "response",
    previous_response_id: null,
    model,
    status,
    output_text: text,
    ...(usage === null || "asymmetricMatch" in (usage as object) ? { usage } : { usage: usageIn(usage as Json) }),
    incomplete_details: incomplete_reason === undefined ? null : { reason: incomplete_reason },
    error:
      status === "failed"
        ? { code: "server_error", message: expect.stringContaining("may have been billed") as string }
        : null,
  });
  const output = objects(object["output"]);
  if (refusal !== undefined) expect(output).toMatchObject([{ content: [{ type: "refusal", refusal }] }]);
  if (Object.keys(shown).length > 0) expect(shownIn(output)).toEqual(shown);
  const ids = output.map(({ id }) => id);
  expect([new Set(ids).size, ids.every((id) => typeof id === "string" && id !== "")]).toEqual([ids.length, true]);
}

const usageIn = ({ input_tokens, cached_tokens, output_tokens, reasoning_tokens, total_tokens }: Json): Json => ({
  input_tokens,
  input_tokens_details: { cached_tokens },
  output_tokens,
  output_tokens_details: { reasoning_tokens },
  total_tokens,
});

/** The events of a stream. Asserts their numbers and the end: `[DONE]`, or an error and a broken connection. */
export function responsesEventsOf(response: HttpResponse): Json[] {
  expect([response.status, response.headers["content-type"]]).toEqual([200, "text/event-stream; charset=utf-8"]);
  const frames = response.text.split(/\r?\n\r?\n/).filter((frame) => frame !== "" && !frame.startsWith(":"));
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

/** Asserts the end of a failed stream: an error in both of the forms that clients read, then a failed response with the output so far. */
export function expectBroken(response: HttpResponse, code: RegExp | string, textFirst?: boolean): void {
  const events = responsesEventsOf(response);
  expect(response.broken).toBe(true);
  if (textFirst !== undefined) expect(textIn(events) !== "").toBe(textFirst);
  const failed = events.findLast(({ type }) => type === "response.failed");
  const { sequence_number: _, ...last } = events.findLast(({ type }) => type === "error") ?? {};
  const text = expect.any(String) as string;
  const error = last["error"] as Json;
  expect(last).toMatchObject({ type: "error", code: error["code"], param: error["param"], message: error["message"] });
  expect(error["request_id"]).toBe(response.headers["x-request-id"]);
  if (typeof code !== "string") expect(error["detail_code"]).toMatch(code);
  else if (code.startsWith("upstream_")) expect(error["detail_code"]).toBe(code);
  else expect([error["code"], error["detail_code"]]).toEqual([code, "upstream_rejected"]);
  if (error["detail_code"] !== "upstream_rejected")
    expect([error["type"], error["code"]]).toEqual(openAiPair(String(error["detail_code"])));
  expect(failed?.["response"], "the object so far").toMatchObject({ status: "failed", error: { message: text } });
  expect(events.at(-1)).toBe(failed);
}

/** @returns the response of the terminal event */
export function expectComplete(response: HttpResponse, each: Case): Json {
  expect(response.broken).toBe(false);
  const events = responsesEventsOf(response);
  const withResponse = events.flatMap(({ type, response: object }) =>
    object === undefined ? [] : [{ type, response: object as Json }],
  );
  const last = withResponse.at(-1);
  const { status } = last?.response ?? {};
  expect([events[0]?.["type"], events.at(-1)?.["type"], last?.type]).toEqual([
    "response.created",
    `response.${String(status)}`,
    `response.${String(status)}`,
  ]);
  const ids = new Set(withResponse.map(({ response: object }) => object["id"]));
  expect([...ids], "one id from the first event to the last").toEqual([expect.stringMatching(/^resp_ue1_/)]);
  expectObject(last?.response ?? {}, each);
  expect(textIn(events)).toBe(last?.response["output_text"]);
  return last?.response ?? {};
}

/** Sends a request. SDKs send this header for streams, too. */
export async function respond(each: Case, fields: Json, headers: Record<string, string> = {}): Promise<HttpResponse> {
  const response = await each.worker.send("/v1/responses", {
    body: { model: modelOf(each), input: each.input, ...fields },
    headers: { accept: "application/json", ...headers },
  });
  expect(response.ms).toBeLessThan(BOUND_MS);
  return response;
}

const isError = ({ mayFail }: Row, { status }: HttpResponse): boolean => mayFail === true && status !== 200;

/** Sends the request in that form, and asserts the response and the number of upstream calls. */
export async function checkResponses(each: Case & { row: ResponsesRow }, form: ResponsesForm): Promise<void> {
  const { refused, fails } = firstOutcome(each.row, form);
  const response = await respond(each, form === "stream" ? { stream: true } : {});
  expect(callsOf(each), "calls of upstream").toBe(1);
  if (refused !== undefined) expectResponsesRefusal(response, refused);
  else if (isError(each.row, response)) expect(responsesErrorOf(response)["detail_code"]).toMatch(NONSENSE);
  else if (fails !== undefined) expectBroken(response, fails.code, fails.textFirst);
  else if (form === "JSON") expectObject(json(response), each);
  else if (each.row.mayFail === true && response.broken) expectBroken(response, NONSENSE);
  else expectComplete(response, each);
}
