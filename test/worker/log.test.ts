// The log: one line per request, no secrets and no content, and the line of an unexpected throw.
import { env } from "cloudflare:workers";
import { describe, expect, test, vi } from "vitest";
import { standardEvent, startHookWorker } from "./hook-events.ts";
import { TrimStream } from "../../src/core/reply/trim-stream.ts";
import {
  as,
  eachTestAlone,
  EVENTS,
  type HeaderTable,
  ID_KEY,
  KEYS,
  kvTexts,
  type LogLine,
  uniqueText,
  objectRows,
  ownerNamed,
  problemOf,
  SERVER_KEYS,
  startWorker,
  TEXT,
  UPSTREAM_KEY,
  type WorkerUnderTest,
} from "./worker.ts";

const log = eachTestAlone();

const FORMS: [string, HeaderTable, object][] = [
  ["JSON", {}, {}],
  ["text", TEXT, {}],
  ["event stream", EVENTS, {}],
  ["text stream", TEXT, { stream: true }],
];

async function read(worker: WorkerUnderTest, body: object, headers: HeaderTable): Promise<string> {
  const response = await worker.ask(body, headers);
  const text = await response.text().catch(() => "");
  await worker.settled();
  return text + JSON.stringify([...response.headers]);
}

test("the canary searches every kind of object that a test has reached", async () => {
  const worker = startWorker({ callers: {} }, { SERVER_KEYS });
  const headers = as(KEYS.alice);
  await worker.answer({ input: uniqueText() }, { ...headers, "idempotency-key": crypto.randomUUID() });
  const body = JSON.stringify({ input: uniqueText() });
  const accepted = await worker.send("/jobs", {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body,
  });
  const { job } = await accepted.json<{ job: string }>();
  // Its log lines must not end up in the next test's log.
  await vi.waitFor(
    async () => expect(await (await worker.get(`/jobs/${job}`, headers)).json()).toMatchObject({ status: "completed" }),
    5_000,
  );
  await vi.waitFor(() => expect(log.lines().some(({ event }) => event === "job")).toBe(true), 5_000);
  await worker.settled();
  for (const [namespace, rows] of Object.entries(await objectRows())) expect(rows.length, namespace).toBeGreaterThan(0);
});

describe("the log", () => {
  test.each(FORMS)("has one line for an answer as %s, and one for its exact repeat", async (_name, headers, fields) => {
    const worker = startWorker(
      { presets: { p: {} }, prices: { "gpt-6-luna": { input: 1, output: 1 } } },
      { SERVER_KEYS },
    );
    const body = { input: uniqueText(), preset: "p", ...fields };
    await read(worker, body, { ...headers, ...as(KEYS.alice) });
    await read(worker, body, { ...headers, ...as(KEYS.alice) });
    const common = {
      level: "info",
      event: "request",
      request_id: expect.stringMatching(/^req_[0-9a-f]{24}$/) as string,
      route: "POST /ask",
      caller: "server",
      preset: "p",
      model: "gpt-6-luna",
      status: 200,
      response_id: expect.stringMatching(/^resp_ue1_/) as string,
      first_ms: expect.any(Number) as number,
      total_ms: expect.any(Number) as number,
      ...(headers === EVENTS || "stream" in fields ? { stream: true } : {}),
    };
    const tokens = {
      input_tokens: expect.any(Number) as number,
      cached_tokens: 0,
      output_tokens: expect.any(Number) as number,
    };
    expect(log.lines()).toEqual([
      { ...common, ...tokens, upstream_called: true, cache: "miss", cost_usd: expect.any(Number) as number },
      { ...common, cache: "hit", cost_usd: 0 },
    ]);
  });

  test("has one line for every other outcome, with its status and code", async () => {
    const worker = startWorker({}, { SERVER_KEYS });
    const input = uniqueText();
    const { id } = await worker.answer({ input });
    const cases: [() => Promise<Response>, object][] = [
      [
        () => worker.ask({ input, previous_response_id: id, cache: false }),
        { route: "POST /ask", status: 200, cache: "bypass", continuity: "upstream" },
      ],
      [() => worker.ask({ input, cache: "refresh" }), { status: 200, cache: "refresh" }],
      [() => worker.get(`/ask/${id}`), { route: "GET /ask/{id}", status: 200, caller: "anonymous" }],
      [() => worker.get(`/ask/${id}?thread=true`), { route: "GET /ask/{id}", status: 200 }],
      [() => worker.get("/ask/resp_x"), { route: "GET /ask/{id}", status: 404, code: "response_not_found" }],
      [
        () => worker.ask({ input }, as("sk_wrong_0123456789")),
        { status: 401, code: "invalid_credentials", reason: "unknown_key" },
      ],
      [() => worker.ask({}), { status: 400, code: "invalid_request" }],
      [() => worker.ask({ input, model: "emulate/500" }), { status: 502, code: "upstream_error", level: "error" }],
      [
        () => worker.ask({ input, model: "emulate/429" }),
        { status: 429, code: "upstream_rate_limited", level: "info" },
      ],
      [() => worker.ask({ input, model: "emulate/400" }), { status: 400, code: "upstream_rejected" }],
      [() => worker.ask({ input, model: "emulate/500" }, EVENTS), { status: 502, code: "upstream_error" }],
      [
        () => worker.ask({ input, model: "emulate/cut" }, EVENTS),
        { status: 200, stream: true, code: "upstream_error", reason: "cut" },
      ],
      [() => worker.ask({ input, model: "emulate/no-usage" }), { status: 200 }],
      [() => worker.get("/health"), { route: "GET /health", status: 200 }],
      [() => worker.send("/ask", { method: "DELETE" }), { status: 405, code: "method_not_allowed" }],
    ];
    for (const [ask, line] of cases) {
      const before = log.lines().length;
      await (await ask()).text();
      await worker.settled();
      const lines = log.lines().slice(before);
      expect(lines).toHaveLength(1);
      expect(lines[0]).toMatchObject(line);
    }
    expect(JSON.stringify(log.lines())).not.toContain(input.split(" ")[1]);
  });

  test("names the route for a refused method and for a preflight, too", async () => {
    const worker = startWorker();
    const headers = { origin: "http://localhost:5173", "access-control-request-method": "POST" };
    await worker.send("/ask", { method: "OPTIONS", headers });
    await worker.send("/ask/resp_x", { method: "OPTIONS" });
    await worker.send("/v1/responses/resp_x", { method: "PUT" });
    await worker.send("/", { method: "HEAD" });
    expect(log.requests().map(({ route, status }) => [route, status])).toEqual([
      ["OPTIONS /ask", 204],
      ["OPTIONS /ask/{id}", 405],
      ["PUT /v1/responses/{id}", 405],
      ["HEAD /", 200],
    ]);
  });

  test("has ids of this Worker, regardless of the caller's x-request-id", async () => {
    const response = await startWorker().get("/health", { "x-request-id": "req_of_the_caller" });
    expect(response.headers.get("x-request-id")).toBe(log.requests()[0]?.["request_id"]);
    expect(JSON.stringify(log.lines())).not.toContain("req_of_the_caller");
  });

  test("contains no path that is not a route", async () => {
    const worker = startWorker();
    for (const path of ["/my-secret-path", "/v1/sk_secret_0123456789", "/ask/a/secret", "/?secret=1"]) {
      await worker.get(path);
      await worker.send(path, { method: "POST", body: "secret" });
    }
    expect(log.requests()).toHaveLength(8);
    expect(JSON.stringify(log.lines())).not.toContain("secret");
  });

  test("never contains input, answer, instructions, metadata, owner or a key", async () => {
    const worker = startWorker({}, { SERVER_KEYS });
    const secrets = ["pineapple-input", "pineapple-instructions", "pineapple-metadata", "pineapple-user", "You said"];
    const owners = await Promise.all(["anonymous:local", "server:alice", "server:bob"].map(ownerNamed));
    for (const model of [
      "gpt-6-luna",
      "emulate/401-quota",
      "emulate/400",
      "emulate/403",
      "emulate/cut",
      "emulate/error-event",
      "emulate/refusal",
    ]) {
      for (const [, headers, fields] of FORMS) {
        const body = {
          input: `${uniqueText()} pineapple-input`,
          instructions: "pineapple-instructions",
          metadata: { a: "pineapple-metadata" },
          user: "pineapple-user",
          model,
          ...fields,
        };
        await read(worker, body, headers);
        await read(worker, body, { ...headers, ...as(KEYS.bob) });
      }
    }
    const lines = JSON.stringify(log.lines());
    for (const secret of [...secrets, ...owners, UPSTREAM_KEY, ID_KEY, KEYS.bob]) expect(lines).not.toContain(secret);
  }, 20_000);

  test("METRICS gets one point per request, and may fail", async () => {
    const points: AnalyticsEngineDataPoint[] = [];
    const counting = startWorker(
      {},
      { METRICS: { writeDataPoint: (point: AnalyticsEngineDataPoint) => void points.push(point) } },
    );
    const input = uniqueText();
    await counting.answer({ input });
    await counting.get("/nowhere");
    expect(points).toHaveLength(2);
    expect(points[0]).toMatchObject({
      indexes: ["POST /ask"],
      blobs: ["POST /ask", "anonymous", "", "gpt-6-luna", "", "miss", ""],
    });
    expect(JSON.stringify(points)).not.toContain(input);
    const failing = startWorker(
      {},
      {
        METRICS: {
          writeDataPoint() {
            throw new Error("no metrics today");
          },
        },
      },
    );
    await failing.answer({ input: uniqueText() });
    expect(log.warnings()).toMatchObject([{ event: "metrics_failed", error: "Error" }]);
  });
});

describe("an unexpected throw", () => {
  const CANARY = "words of the caller";

  function exceptions(): LogLine[] {
    return log.lines().filter(({ event }) => event === "exception");
  }

  /** Makes the trimmer fail in every stream, while upstream is already paid. */
  function failWhileTrimming(): void {
    vi.spyOn(TrimStream.prototype, "push").mockImplementation(function trimmer() {
      throw new TypeError(`${CANARY}\n    at ${CANARY} (index.js:1:1)`);
    });
  }

  test.each([
    ["an Error", () => new TypeError(`${CANARY}\n${CANARY}`), "TypeError"],
    ["a string", () => CANARY, "string"],
  ])("of %s in a route logs its frames with the request's id, without its message", async (_name, thrown, name) => {
    const worker = startWorker({}, { ASSETS: { fetch: () => Promise.reject(thrown() as Error) } });
    const origin = "http://localhost:5173";
    const response = await worker.get("/docs", { origin });
    const { code, message, request_id } = await problemOf(response);
    expect([response.status, code, message]).toEqual([
      500,
      "internal_error",
      expect.stringContaining("inside this Worker"),
    ]);
    expect(response.headers.get("access-control-allow-origin")).toBe(origin);
    const common = { level: "error", request_id };
    expect(log.lines()).toEqual([
      {
        ...common,
        event: "exception",
        error: name,
        ...(name === "string" ? {} : { stack: expect.any(Array) as [] }),
      },
      expect.objectContaining({ ...common, event: "request", status: 500, code, reason: `uncaught ${name}` }),
    ]);
    expect(JSON.stringify(log.lines())).not.toContain(CANARY);
  });

  test.each([
    ["an event stream", EVENTS],
    ["a text stream", TEXT],
  ])("in the middle of %s logs the same line, once", async (_name, headers) => {
    failWhileTrimming();
    const text = await read(startWorker(), { input: uniqueText(), stream: true }, headers);
    expect(exceptions()).toEqual([
      expect.objectContaining({ level: "error", error: "TypeError", request_id: log.requests()[0]?.["request_id"] }),
    ]);
    const [{ stack } = { stack: [] }] = exceptions();
    expect((stack as string[])[0]).toMatch(/^(?:\w+\.)?trimmer .*log\.test\.ts:\d+:\d+/);
    expect(log.requests()).toMatchObject([{ code: "internal_error", reason: "uncaught TypeError" }]);
    expect(JSON.stringify(log.lines()) + text).not.toContain(CANARY);
  });

  test("in a hook's `input` logs its frames, too", async () => {
    const response = await startHookWorker().send("/hooks/broken", await standardEvent({}));
    const { request_id } = await problemOf(response);
    expect(exceptions()).toMatchObject([{ request_id, error: "TypeError" }]);
    expect((exceptions()[0]?.["stack"] as string[] | undefined)?.[0]).toMatch(/\binput .*config\.ts:\d+:\d+/);
    expect(JSON.stringify(log.lines())).not.toContain("secret words");
  });

  test("in a run logs the same line, once for all requests that join the run", async () => {
    failWhileTrimming();
    const worker = startWorker();
    const headers = { ...EVENTS, "idempotency-key": crypto.randomUUID() };
    const body = { input: uniqueText() };
    await read(worker, body, headers);
    await read(worker, body, headers);
    const [starter] = log.requests();
    expect(exceptions()).toEqual([
      expect.objectContaining({ error: "TypeError", request_id: starter?.["request_id"] }),
    ]);
    expect(JSON.stringify(log.lines())).not.toContain(CANARY);
  });
});

test("no secret of the Worker or of upstream is in a body, a header, KV or the log", async () => {
  const worker = startWorker({}, { SERVER_KEYS });
  const seen: string[] = [];
  for (const model of [
    "gpt-6-luna",
    "emulate/401",
    "emulate/401-quota",
    "emulate/401-vendor-key",
    "emulate/400",
    "emulate/403",
    "emulate/redirect",
  ]) {
    for (const [, headers, fields] of FORMS)
      seen.push(await read(worker, { input: uniqueText(), model, ...fields }, { ...headers, ...as(KEYS.alice) }));
  }
  seen.push(...(await kvTexts()), JSON.stringify(log.lines()));
  for (const secret of [
    UPSTREAM_KEY,
    UPSTREAM_KEY.slice(0, 10),
    UPSTREAM_KEY.slice(-6),
    KEYS.alice,
    ID_KEY,
    "0.000000",
    "sk-proj",
  ]) {
    expect(seen.filter((text) => text.includes(secret))).toEqual([]);
  }
  expect((await env.RESPONSES.list()).keys.length).toBeGreaterThan(0);
});

test("an upstream response with few fields gives the same answer immediately, from the cache and by its id", async () => {
  vi.useFakeTimers({ toFake: ["Date"] });
  vi.setSystemTime(1_790_000_000_000);
  const fetching = vi
    .spyOn(globalThis, "fetch")
    .mockImplementation(() => Promise.resolve(Response.json({ status: "completed", output_text: "hi", output: [] })));
  const worker = startWorker();
  const body = { input: uniqueText() };
  const answer = await worker.answer(body);
  expect(answer).toMatchObject({
    text: "hi",
    created_at: 1_790_000_000,
    model: "gpt-6-luna",
    status: "completed",
    usage: null,
  });
  vi.setSystemTime(1_790_000_100_000);
  expect(await (await worker.get(`/ask/${answer.id}`)).json()).toEqual(answer);
  fetching.mockRestore();
  expect(await worker.answer(body)).toEqual({ ...answer, cached: true });
});
