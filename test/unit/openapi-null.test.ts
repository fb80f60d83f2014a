// The document against the code about null: every field of every request, sent as null to the code that reads it, and answers made from an
// upstream that sends null wherever it can. The fields come from the code, so new ones are included.
import { describe, expect, test } from "vitest";
import { JSON_LIMITS, type JsonObject } from "../../src/core/lib/json.ts";
import { Problem } from "../../src/core/lib/problem.ts";
import { parseAsk } from "../../src/core/request/read-ask.ts";
import { readJob } from "../../src/core/jobs/read-job.ts";
import { readResponses } from "../../src/core/request/read-responses.ts";
import { readTurnstileExchange, readSessionRequest } from "../../src/core/request/read-sessions.ts";
import { eventStreamText } from "../../src/http/respond/responses-source.ts";
import { Ask, ResponsesRequest } from "../../src/contract/ask.ts";
import { UPSTREAM_FIELDS } from "../../src/contract/request-fields.ts";
import { completeResponse } from "../../src/core/reply/response-object.ts";
import { trim } from "../../src/core/reply/trim.ts";
import { openApiDocument } from "../../src/openapi/document.ts";
import { judge, type OpenApi } from "../support/openapi.ts";
import { repairResponse } from "../../src/core/upstream/stream-repair.ts";
import { DEFAULTS } from "../../src/contract/response.ts";
import { TurnstileExchange, SessionRequest } from "../../src/contract/session.ts";

const JSON_TYPE = "application/json";
const document = JSON.parse(JSON.stringify(openApiDocument("1.2.3"))) as OpenApi;
const { request, answer } = judge(document);
const post = (path: string): { path: string; method: string } => ({ path, method: "post" });

/** Whether the code that reads a body accepts it. */
function isAccepted(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}

const ASK = Object.keys(Ask.shape);
// A job can't stream: its body accepts `stream` as null or false, but that is not documented.
const OF_JOBS = [...ASK.filter((name) => name !== "stream"), "callback"];
const OF_RESPONSES = [
  ...new Set([...Object.keys(ResponsesRequest.shape), ...Object.keys(UPSTREAM_FIELDS), "of_tomorrow"]),
];
const FIELDS: [path: string, requiredBody: JsonObject, fields: string[], read: (body: JsonObject) => unknown][] = [
  ["/ask", { input: "hi" }, ASK, (body) => parseAsk({ ...body })],
  ["/jobs", { input: "hi" }, OF_JOBS, (body) => readJob(JSON.stringify(body), { callbacks: {} })],
  [
    "/v1/responses",
    { input: "hi" },
    OF_RESPONSES,
    (body) => readResponses(JSON.stringify(body), JSON_TYPE, JSON_LIMITS.server),
  ],
  ["/sessions", { sub: "ada" }, Object.keys(SessionRequest.shape), (body) => readSessionRequest(body, [])],
  ["/sessions", { turnstile: "0.Xk3" }, Object.keys(TurnstileExchange.shape), readTurnstileExchange],
];

describe("a request", () => {
  test.each(FIELDS)(
    "to %s like %j accepts null in exactly the fields that the document marks",
    (path, requiredBody, fields, read) => {
      const withNull = fields.map((name) => [name, { ...requiredBody, [name]: null }] as const);
      const documented = withNull
        .filter(([, body]) => request(post(path), JSON_TYPE, body) === null)
        .map(([name]) => name);
      expect(documented).toEqual(withNull.filter(([, body]) => isAccepted(() => read(body))).map(([name]) => name));
    },
  );

  test("is accepted with its required fields only", () => {
    for (const [path, requiredBody, , read] of FIELDS) {
      expect([request(post(path), JSON_TYPE, requiredBody), isAccepted(() => read(requiredBody))]).toEqual([
        null,
        true,
      ]);
      expect([request(post(path), JSON_TYPE, {}) === null, isAccepted(() => read({}))]).toEqual(
        path === "/v1/responses" ? [true, true] : [false, false],
      );
    }
  });
});

/** Keys that upstream's object may have, including one that the code does not know. */
const KEYS = Object.keys(DEFAULTS).concat(
  ["id", "created_at", "status", "model", "output", "output_text", "usage"],
  ["previous_response_id", "of_tomorrow"],
);
const nulls = (keys: readonly string[]): JsonObject => Object.fromEntries(keys.map((key) => [key, null]));
/** A message with an empty part, a function call and a reasoning item, with null wherever possible. */
const HOLLOW = [
  {
    type: "message",
    id: null,
    status: null,
    role: "assistant",
    content: [{ type: "output_text", text: null, annotations: null }],
  },
  // A call without a name is no answer.
  { type: "function_call", id: null, call_id: null, name: "f", arguments: null },
  { type: "reasoning", id: null, summary: null },
  { type: "message", content: null },
];
const UPSTREAM: [what: string, response: JsonObject][] = [
  ["nothing", {}],
  ...KEYS.map((key): [string, JsonObject] => [`null for ${key}`, { [key]: null }]),
  ["null for everything", nulls(KEYS)],
  [
    "items of nulls",
    { output: HOLLOW, usage: nulls(["input_tokens", "input_tokens_details", "output_tokens", "total_tokens"]) },
  ],
  [
    "a failure without a message",
    { status: "failed", error: nulls(["code", "message"]), incomplete_details: { reason: null } },
  ],
];
const IDENTITY = { id: "resp_ue1_1", previousId: null, now: 1_795_387_629 };

describe("an answer matches the document if upstream sends", () => {
  test.each(UPSTREAM)("%s", (_, sent) => {
    const { response = sent } = repairResponse(sent, { random: (bytes) => "0".repeat(2 * bytes), now: 1 });
    const trimmed = trim(response, { ...IDENTITY, model: "m", wantsData: true });
    expect(answer(post("/ask"), { status: 200, type: JSON_TYPE, body: asJson(trimmed) })).toBe(null);
    for (const restricted of [true, false]) {
      for (const requested of [{ model: "m" }, { ...nulls(Object.keys(UPSTREAM_FIELDS)), model: "m" }]) {
        const body = asJson(completeResponse(response, { ...IDENTITY, request: requested, restricted }));
        expect(answer(post("/v1/responses"), { status: 200, type: JSON_TYPE, body })).toBe(null);
        for (const event of eventsIn(eventStreamText(body))) {
          expect(
            answer(post("/v1/responses"), { status: 200, type: "text/event-stream", body: event, event: true }),
          ).toBe(null);
        }
      }
    }
  });

  test("every key of the response object is included", () => {
    expect(KEYS).toEqual(
      expect.arrayContaining(Object.keys(document.components.schemas["Response"]?.["properties"] as object)),
    );
  });
});

const eventsIn = (text: string): JsonObject[] =>
  text.split("\n").flatMap((line) => (line.startsWith("data: {") ? [JSON.parse(line.slice(6)) as JsonObject] : []));
const asJson = (value: object): JsonObject => JSON.parse(JSON.stringify(value)) as JsonObject;
