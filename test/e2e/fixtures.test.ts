// Serves every body of test/fixtures/derived byte for byte from a fake upstream, and asserts the response of /ask as JSON, as events and as
// a text stream. No part of a failure is stored, and no secret from the bodies reaches the caller.
import { readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  endOf,
  errorOf,
  eventsOf,
  type HttpResponse,
  json,
  PROMPT,
  startWorker,
  until,
  UPSTREAM_KEY,
  type Worker,
} from "./worker.ts";

const FOLDER = new URL("../fixtures/derived/", import.meta.url);
const FILES = readdirSync(FOLDER).toSorted();

/** The HTTP statuses that belong to the bodies; default 200. */
const STATUSES: Record<string, number> = {
  d03: 400, d04: 429, d20: 401, d21: 401, d22: 503, d23: 429, d24: 429, d25: 429, d26: 401, d27: 400, d34: 429, d40: 401, d41: 503, d42: 403, d50: 502,
}; // prettier-ignore
const TYPES: Record<string, string> = {
  json: "application/json; charset=utf-8",
  sse: "text/event-stream; charset=utf-8",
  html: "text/html; charset=UTF-8",
  // JSON bodies with heartbeats before them.
  txt: "application/json",
};

interface Refused {
  status: number;
  code: string;
  param?: string;
  message?: RegExp;
  /** `x-should-retry: false`. */
  final: boolean;
  retryAfter?: string;
}
type Expected =
  | { answer: Record<string, unknown>; events: string[]; cached?: false }
  | { refused: Refused }
  /** As JSON: the refusal. As a stream: the events and the code of `error`. */
  | { refused: Refused; events: string[]; code: string; text: string };

const QUOTA: Refused = { status: 502, code: "upstream_quota", final: true };
const AUTH: Refused = { status: 502, code: "upstream_auth", final: true };
/** Upstream sends no Retry-After, so the Worker's default of five seconds applies. */
const BUSY: Refused = { status: 429, code: "upstream_rate_limited", final: false, retryAfter: "5" };
const NO_CHANNEL: Refused = {
  status: 503,
  code: "upstream_unavailable",
  final: false,
  message: /no channel for this model/,
};
const FAILED: Refused = { status: 502, code: "upstream_error", final: true };
const NO_ANSWER: Refused = { status: 502, code: "upstream_invalid_response", final: true };

const USAGE = { input_tokens: 21, cached_tokens: 0, output_tokens: 9, reasoning_tokens: 0, total_tokens: 30 };
const REFUSAL = { status: "completed", model: "gpt-5.5", text: "", refusal: "I can't help with that.", usage: USAGE };
const HELLO = { status: "completed", model: "gpt-5.5", text: "Hello.", usage: USAGE };

const EXPECTED: Record<string, Expected> = {
  "d01-refusal.json": { answer: REFUSAL, events: ["start", "refusal", "done"] },
  "d02-refusal-stream.sse": { answer: REFUSAL, events: ["start", "refusal", "refusal", "done"] },
  "d03-error-400-previous-response-not-found.json": {
    refused: {
      status: 400,
      code: "previous_response_not_found",
      param: "previous_response_id",
      final: false,
      message: /^Previous response with id '\[redacted\]' not found\.$/,
    },
  },
  // Its message says "Please try again in 1.4s".
  "d04-error-429-rate-limit.json": { refused: { ...BUSY, retryAfter: "2" } },
  "d05-incomplete-content-filter.json": {
    answer: {
      status: "incomplete",
      model: "gpt-5.5",
      text: "The first step",
      incomplete_reason: "content_filter",
      usage: USAGE,
    },
    events: ["start", "text", "done"],
    cached: false,
  },
  "d06-incomplete-reasoning-only.json": {
    answer: {
      status: "incomplete",
      model: "gpt-5.5",
      text: "",
      incomplete_reason: "max_output_tokens",
      usage: { input_tokens: 21, cached_tokens: 0, output_tokens: 64, reasoning_tokens: 64, total_tokens: 85 },
    },
    events: ["start", "done"],
    cached: false,
  },
  "d07-failed.json": { refused: FAILED },
  "d08-cut-stream.sse": {
    refused: FAILED,
    events: ["start", "text", "error"],
    code: "upstream_error",
    text: "Half of an ans",
  },
  "d09-error-event-flat.sse": { refused: FAILED },
  "d20-onehub-401-invalid-token.json": { refused: AUTH },
  "d21-onehub-401-token-exhausted.json": { refused: AUTH },
  "d22-onehub-503-no-channel.json": { refused: NO_CHANNEL },
  "d23-onehub-429-saturated.json": { refused: BUSY },
  "d24-onehub-429-user-rate.json": { refused: BUSY },
  "d25-onehub-429-quota-disguised.json": { refused: QUOTA },
  "d26-onehub-401-upstream-key.json": { refused: AUTH },
  "d27-onehub-400-field-required.json": {
    refused: { status: 400, code: "upstream_rejected", final: false, message: /^field Model is required/ },
  },
  "d28-onehub-heartbeat-nonstream.txt": { answer: HELLO, events: ["start", "text", "done"] },
  "d29-onehub-heartbeat-nonstream-error-http200.txt": { refused: BUSY },
  "d30-onehub-heartbeat-stream.sse": { answer: HELLO, events: ["start", "text", "done"] },
  "d31-onehub-heartbeat-stream-error-http200.sse": { refused: BUSY },
  "d32-onehub-stream-raw-json-line.sse": {
    refused: FAILED,
    events: ["start", "text", "error"],
    code: "upstream_error",
    text: "Hello.",
  },
  "d33-onehub-chat-compat-stream.sse": {
    answer: {
      status: "completed",
      model: "claude-sonnet-4-5",
      text: "Hello.",
      usage: { input_tokens: 9, cached_tokens: 0, output_tokens: 3, reasoning_tokens: 0, total_tokens: 12 },
    },
    events: ["start", "text", "done"],
  },
  "d34-onehub-empty-429.txt": { refused: BUSY },
  "d40-newapi-401-key-parts.json": { refused: AUTH },
  "d41-newapi-503-model-not-found.json": { refused: NO_CHANNEL },
  "d42-newapi-403-quota.json": { refused: QUOTA },
  "d50-cloudflare-502.html": { refused: FAILED },
  "d51-uniapi-billing-usage.json": { refused: NO_ANSWER },
};

/** Parts of the bodies that must not reach a caller: parts of keys, accounts, addresses, request ids, balances, and the relay's own messages. */
const SECRETS = [
  /sk-/,
  /wxyz|xYz/,
  /org-EXAMPLE/,
  /https?:|openai\.com/,
  /20261122201015/,
  /k3JfQ8Zt/,
  /[$＄]\s*0/,
  /2\.4e-05|0\.000024|"balance"/,
  /[\u2e80-\u9fff\uff00-\uffef]/,
  /resp_0f0|msg_0f0|chatcmpl/,
  /one_hub|new_api|onehub|newapi|distributor|default/i,
  /RemainQuota/,
  /<html|cloudflare/i,
];

/** An error that repeats our key, complete and in parts, in all its fields. */
const errorWithKey = (key: string): string => {
  const error = {
    code: key,
    param: `field.${key.slice(4)}`,
    type: key.slice(0, 12),
    message: `No: ${key} / ${key.slice(0, 9)}*** / ***${key.slice(-8)}`,
  };
  return JSON.stringify({ error });
};
const KEY_LEAKS: Record<string, [[number, Record<string, string>], (key: string) => string]> = {
  ...Object.fromEntries(
    [200, 400, 404, 422, 500].map((status) => [
      `echo ${status}`,
      [[status, { "content-type": "application/json" }], errorWithKey],
    ]),
  ),
  "echo event": [
    [200, { "content-type": "text/event-stream" }],
    (key) => `event: error\ndata: ${errorWithKey(key)}\n\n`,
  ],
  "echo redirect": [[302, { location: "https://evil.example/" }], errorWithKey],
};

let upstream: Server;
let worker: Worker;
let calls = 0;
const responses: HttpResponse[] = [];
/** Ids of the responses, and the number of those that may be cached. */
const turns = new Set<string>();
let cacheable = 0;

beforeAll(async () => {
  const bodies = new Map(FILES.map((file) => [file, readFileSync(new URL(file, FOLDER))]));
  upstream = createServer((request, response) => {
    calls += 1;
    let raw = "";
    request.on("data", (piece: Buffer) => (raw += piece.toString()));
    request.on("end", () => {
      const file = (JSON.parse(raw) as { model: string }).model;
      const echo = KEY_LEAKS[file];
      if (echo !== undefined) {
        response.writeHead(...echo[0]);
        response.end(echo[1](String(request.headers.authorization).replace("Bearer ", "")));
        return;
      }
      response.writeHead(STATUSES[file.slice(0, 3)] ?? 200, {
        "content-type": TYPES[file.split(".").at(-1) ?? ""],
        "x-oneapi-request-id": "20261122201015k3JfQ8Zt",
        "x-upstream-key": UPSTREAM_KEY,
        "set-cookie": "upstream=1",
      });
      response.end(bodies.get(file));
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
  worker = await startWorker(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`);
});
afterAll(async () => {
  await worker.stop();
  upstream.closeAllConnections();
  upstream.close();
});

async function ask(file: string, fields: object, headers: Record<string, string> = {}): Promise<HttpResponse> {
  calls = 0;
  const response = await worker.ask(
    { input: `${PROMPT} ${JSON.stringify([fields, headers])}`, model: file, ...fields },
    headers,
  );
  responses.push(response);
  expect(calls, "calls of upstream").toBe(1);
  return response;
}

function expectRefusal(
  response: HttpResponse,
  { status, code, param = "", final, retryAfter, message = /./ }: Refused,
): void {
  const error = errorOf(response);
  expect([response.status, error.code, error.param]).toEqual([status, code, param]);
  expect(error.message).toMatch(message);
  expect([response.headers["x-should-retry"], response.headers["retry-after"]]).toEqual([
    final ? "false" : undefined,
    retryAfter,
  ]);
}

function expectAnswer(answer: Record<string, unknown>, expected: Record<string, unknown>): void {
  expect(answer).toEqual({
    id: expect.stringMatching(/^resp_ue1_[\w-]+$/),
    previous_response_id: null,
    created_at: 1_763_827_200,
    ...expected,
  });
}

test("every body in test/fixtures/derived has a row here", () => {
  expect(FILES).toEqual(Object.keys(EXPECTED).toSorted());
});

describe.each(Object.entries(EXPECTED))("%s", (file, expected) => {
  test("has the expected response as JSON", async () => {
    const response = await ask(file, {});
    if ("refused" in expected) {
      expectRefusal(response, expected.refused);
      return;
    }
    const answer = json(response);
    expect(response.status).toBe(200);
    expectAnswer(answer, expected.answer);
    remember(answer, expected.cached);
  });

  test("has the expected response as a stream of events", async () => {
    const response = await ask(file, { stream: true });
    if ("answer" in expected || "events" in expected) {
      const events = eventsOf(response);
      expect(events.map(({ event }) => event)).toEqual(expected.events);
      if ("code" in expected) expect(endOf(events)["code"]).toBe(expected.code);
      else {
        expectAnswer(endOf(events), expected.answer);
        remember(endOf(events), expected.cached);
      }
    } else expectRefusal(response, expected.refused);
  });

  test("has the expected response as a text stream", async () => {
    const response = await ask(file, { stream: true }, { accept: "text/plain" });
    if ("answer" in expected) {
      const { text, refusal = "", status } = expected.answer;
      expect([response.status, response.broken, response.text]).toEqual([200, false, String(text) || refusal]);
      remember({ id: response.headers["x-response-id"], status }, expected.cached);
      // A failure before the first text is an error response. After it, the connection breaks.
    } else if ("events" in expected && expected.text !== "") {
      expect([response.status, response.broken, response.text]).toEqual([200, true, expected.text]);
    } else expectRefusal(response, expected.refused);
  });
});

function remember({ id, status }: Record<string, unknown>, cached?: false): void {
  turns.add(String(id));
  expect(cached === false).toBe(status !== "completed");
  if (status === "completed") cacheable += 1;
}

test("every answer is stored, and no failure is stored", async () => {
  const keys = async (kind: string): Promise<string[]> => (await worker.kvKeys()).filter((key) => key.startsWith(kind));
  await until(async () => expect((await keys("answer:")).length).toBe(cacheable));
  const stored = (await keys("turn:")).map((key) => key.split(":").at(-1));
  expect(stored.toSorted()).toEqual([...turns].toSorted());
});

// worker.stop() also searches these responses and the log for the key.
test.each(Object.keys(KEY_LEAKS))("an upstream error that contains our key doesn't leak it: %s", async (file) => {
  for (const fields of [{}, { stream: true }]) {
    const response = await worker.ask({ input: PROMPT, model: file, ...fields });
    expect([400, 502]).toContain(response.status);
    expect(response.text).not.toMatch(/canary|4f9d2c|1e8a50/);
    expect(JSON.stringify(await worker.logOf(response))).not.toMatch(/canary|4f9d2c|1e8a50/);
  }
});

test("no response contains a secret from the bodies or an upstream header", () => {
  expect(responses).toHaveLength(FILES.length * 3);
  for (const response of responses) {
    const text = (JSON.stringify(response.headers) + response.text).replaceAll(/resp_ue1_[\w-]+/g, "");
    for (const secret of SECRETS) expect(text).not.toMatch(secret);
    for (const name of ["x-oneapi-request-id", "x-upstream-key", "set-cookie"])
      expect(response.headers).not.toHaveProperty(name);
  }
});
