// What the document says of null, against the code: every field that a request can have, sent as null to the code that reads it, and
// answers made of an upstream that says null wherever it can. Fields are taken from the code, so that a new one is asked about, too.
import type { Answer, AskEvent, ToolCall, Usage } from "../../src/contract/answer.ts";
import { describe, expect, expectTypeOf, test } from "vitest";
import type * as z from "zod/mini";
import type {
  Answer as AnswerSchema,
  EVENTS,
  ToolCall as ToolCallSchema,
  Usage as UsageSchema,
} from "../../src/contract/answer.ts";
import { completeEvent } from "../../src/core/reply/complete-event.ts";
import type { JsonObject } from "../../src/core/lib/json.ts";
import { Problem } from "../../src/core/lib/problem.ts";
import { parseAsk } from "../../src/core/request/read-ask.ts";
import { readJob } from "../../src/core/jobs/read-job.ts";
import { readResponses } from "../../src/core/request/read-responses.ts";
import { readTurnstileExchange, readSessionRequest } from "../../src/core/request/read-sessions.ts";
import { replayEvents } from "../../src/core/reply/replay-events.ts";
import { Ask, ResponsesRequest } from "../../src/contract/ask.ts";
import { UPSTREAM_FIELDS } from "../../src/contract/request-fields.ts";
import { completeResponse } from "../../src/core/reply/response-object.ts";
import { trim } from "../../src/core/reply/trim.ts";
import { openApiDocument } from "../../src/openapi/document.ts";
import { judge, type OpenApi } from "../support/openapi.ts";
import { DEFAULTS } from "../../src/contract/response.ts";
import { TurnstileExchange, SessionRequest } from "../../src/contract/session.ts";

const JSON_TYPE = "application/json";
const document = JSON.parse(JSON.stringify(openApiDocument("1.2.3"))) as OpenApi;
const { request, answer } = judge(document);
const post = (path: string): { path: string; method: string } => ({ path, method: "post" });

/** Whether a reader takes a body. */
function takes(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}

const ASK = Object.keys(Ask.shape);
// A job can't stream: that `stream` may be null or false there is nobody's to know.
const OF_JOBS = [...ASK.filter((name) => name !== "stream"), "callback"];
const OF_RESPONSES = [
  ...new Set([...Object.keys(ResponsesRequest.shape), ...Object.keys(UPSTREAM_FIELDS), "of_tomorrow"]),
];
const FIELDS: [path: string, whole: JsonObject, fields: string[], read: (body: JsonObject) => unknown][] = [
  ["/ask", { input: "hi" }, ASK, (body) => parseAsk({ ...body })],
  ["/jobs", { input: "hi" }, OF_JOBS, (body) => readJob(JSON.stringify(body), { callbacks: {} })],
  ["/v1/responses", { input: "hi" }, OF_RESPONSES, (body) => readResponses(JSON.stringify(body), JSON_TYPE)],
  ["/sessions", { sub: "ada" }, Object.keys(SessionRequest.shape), (body) => readSessionRequest(body, [])],
  ["/sessions", { turnstile: "0.Xk3" }, Object.keys(TurnstileExchange.shape), readTurnstileExchange],
];

describe("a request", () => {
  test.each(FIELDS)(
    "to %s like %j may have null for the fields of which the document says so, and for no other",
    (path, whole, fields, read) => {
      const nulled = fields.map((name) => [name, { ...whole, [name]: null }] as const);
      const documented = nulled
        .filter(([, body]) => request(post(path), JSON_TYPE, body) === null)
        .map(([name]) => name);
      expect(documented).toEqual(nulled.filter(([, body]) => takes(() => read(body))).map(([name]) => name));
    },
  );

  test("may be without every field that it need not have", () => {
    for (const [path, whole, , read] of FIELDS) {
      expect([request(post(path), JSON_TYPE, whole), takes(() => read(whole))]).toEqual([null, true]);
      expect([request(post(path), JSON_TYPE, {}) === null, takes(() => read({}))]).toEqual(
        path === "/v1/responses" ? [true, true] : [false, false],
      );
    }
  });
});

/** Keys that upstream's object may have, known to us or not. */
const KEYS = Object.keys(DEFAULTS).concat(
  ["id", "created_at", "status", "model", "output", "output_text", "usage"],
  ["previous_response_id", "of_tomorrow"],
);
const nulls = (keys: readonly string[]): JsonObject => Object.fromEntries(keys.map((key) => [key, null]));
/** A message whose every part says nothing, a call and a thought. */
const HOLLOW = [
  {
    type: "message",
    id: null,
    status: null,
    role: "assistant",
    content: [{ type: "output_text", text: null, annotations: null }],
  },
  { type: "function_call", id: null, call_id: null, name: null, arguments: null },
  { type: "reasoning", id: null, summary: null },
  { type: "message", content: null },
];
const UPSTREAM: [what: string, response: JsonObject][] = [
  ["nothing", {}],
  ...KEYS.map((key): [string, JsonObject] => [`null for ${key}`, { [key]: null }]),
  ["null for everything", nulls(KEYS)],
  [
    "items that say nothing",
    { output: HOLLOW, usage: nulls(["input_tokens", "input_tokens_details", "output_tokens", "total_tokens"]) },
  ],
  [
    "a failure without a word",
    { status: "failed", error: nulls(["code", "message"]), incomplete_details: { reason: null } },
  ],
];
const FACTS = { id: "resp_ue1_1", previousId: null, now: 1_795_387_629 };

describe("an answer keeps to the document where upstream says", () => {
  test.each(UPSTREAM)("%s", (_, response) => {
    const trimmed = trim(response, { ...FACTS, model: "m", wantsData: true });
    expect(answer(post("/ask"), { status: 200, type: JSON_TYPE, body: asJson(trimmed) })).toBe(null);
    for (const locked of [true, false]) {
      for (const asked of [{ model: "m" }, { ...nulls(Object.keys(UPSTREAM_FIELDS)), model: "m" }]) {
        const body = asJson(completeResponse(response, { ...FACTS, request: asked, restricted: locked }));
        expect(answer(post("/v1/responses"), { status: 200, type: JSON_TYPE, body })).toBe(null);
        for (const event of replayEvents(body).map((data, at) =>
          completeEvent(String(data["type"]), data, at, locked),
        )) {
          expect(
            answer(post("/v1/responses"), { status: 200, type: "text/event-stream", body: event, event: true }),
          ).toBe(null);
        }
      }
    }
  });

  test("every key of the Responses object is asked about", () => {
    expect(KEYS).toEqual(
      expect.arrayContaining(Object.keys(document.components.schemas["Response"]?.["properties"] as object)),
    );
  });
});

test("the schemas of /ask's answer have the types that the code has: a field that is missing, or null in one alone, does not compile", () => {
  type Data<Name extends AskEvent["event"]> = Extract<AskEvent, { event: Name }>["data"];
  type Schema<Name extends keyof typeof EVENTS> = z.infer<(typeof EVENTS)[Name]>;
  expectTypeOf<z.infer<typeof AnswerSchema>>().toEqualTypeOf<Answer>();
  expectTypeOf<z.infer<typeof UsageSchema>>().toEqualTypeOf<Usage>();
  expectTypeOf<z.infer<typeof ToolCallSchema>>().toEqualTypeOf<ToolCall>();
  expectTypeOf<Schema<"start">>().toEqualTypeOf<Data<"start">>();
  expectTypeOf<Schema<"text">>().toEqualTypeOf<Extract<AskEvent, { data: { delta: string } }>["data"]>();
  expectTypeOf<Schema<"tool_call">>().toEqualTypeOf<Data<"tool_call">>();
  expectTypeOf<Schema<"done">>().toEqualTypeOf<Data<"done">>();
});

const asJson = (value: object): JsonObject => JSON.parse(JSON.stringify(value)) as JsonObject;
