// Event streams and text streams of /ask over HTTP: their ends, disconnects, and silence.
import type { Answer } from "../../src/contract/answer.ts";
import { describe, expect, test, vi } from "vitest";
import { completedEvent, created, deltaEvent, scriptedUpstream } from "./scripted-upstream.ts";
import {
  eachTestAlone,
  eventsIn,
  EVENTS,
  joinDeltas,
  kvKeys,
  uniqueText,
  namesOf,
  problemOf,
  receivedRequests,
  type SentEvent,
  startWorker,
  TEXT,
  type WorkerUnderTest,
} from "./worker.ts";

const log = eachTestAlone();

async function stream(worker: WorkerUnderTest, body: object): Promise<SentEvent[]> {
  const response = await worker.ask(body, EVENTS);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  expect(response.headers.get("cache-control")).toBe("no-store");
  const events = eventsIn(await response.text());
  await worker.settled();
  return events;
}

describe("an event stream", () => {
  test.each([
    ["plain", {}],
    ["byte by byte", { model: "emulate/splits" }],
    ["without deltas", { model: "emulate/no-deltas" }],
    ["without output in the terminal event", { model: "emulate/no-output-in-terminal" }],
    ["without usage", { model: "emulate/no-usage" }],
    ["with [DONE]", { model: "emulate/done" }],
    ["with heartbeats", { model: "emulate/heartbeat/1" }],
    ["with comments", { model: "emulate/comments" }],
    ["with CRLF", { model: "emulate/crlf" }],
    ["with split characters", { model: "emulate/unicode" }],
    ["without event lines", { model: "emulate/no-event-lines" }],
    ["that upstream sends as JSON", { model: "emulate/json-for-stream" }],
    ["from a converted chat completion", { model: "emulate/chat-compat" }],
    ["with a commentary before the answer", { model: "emulate/phases" }],
    ["of two messages", { model: "emulate/two-messages" }],
    ["with unknown items", { model: "emulate/unknown-items" }],
    ["that refuses", { model: "emulate/refusal" }],
    ["of an incomplete answer", { model: "emulate/incomplete" }],
    ["that only reasons", { model: "emulate/reasoning-only" }],
    ["of a long text", { model: "emulate/long/500" }],
    ["with a summary", { reasoning: { effort: "low", summary: "detailed" } }],
    [
      "with function calls",
      { tools: [{ type: "function", name: "look", parameters: { type: "object", properties: {} } }] },
    ],
    ["with citations", { tools: [{ type: "web_search" }] }],
    ["with a schema", { schema: { type: "object", properties: { a: { type: "string" } } } }],
  ])("%s has one `start`, numbers from 0, and ends with the same answer as JSON", async (_name, fields) => {
    const worker = startWorker({ prices: { "gpt-6-luna": { input: 1, output: 1 } } });
    const events = await stream(worker, { input: uniqueText(), metadata: { a: "b" }, ...fields });
    const run = events[0]?.id.split("-")[0] ?? "";
    expect(run).toMatch(/^[0-9a-f]{12}$/);
    expect(events.map(({ id }) => id)).toEqual(events.map((_, n) => `${run}-${n}`));
    const names = namesOf(events);
    expect(names[0]).toBe("start");
    expect(names.at(-1)).toBe("done");
    expect(names.filter((name) => ["start", "done", "error"].includes(name))).toHaveLength(2);
    const done = events.at(-1)?.data as unknown as Answer;
    expect(joinDeltas(events, "text")).toBe(done.text);
    expect(joinDeltas(events, "reasoning")).toBe(done.reasoning_summary ?? "");
    expect(joinDeltas(events, "refusal")).toBe(done.refusal ?? "");
    expect(events.filter(({ event }) => event === "tool_call").map(({ data }) => data)).toEqual(done.tool_calls ?? []);
    expect(await (await worker.get(`/ask/${done.id}`)).json()).toEqual(done);
    expect(events[0]?.data).toEqual({ request_id: log.requests()[0]?.["request_id"], model: done.model });
  });

  test("every stream has its own run id", async () => {
    const worker = startWorker();
    const body = { input: uniqueText() };
    const runs = [await stream(worker, body), await stream(worker, body)].map(([first]) => first?.id.split("-")[0]);
    expect(new Set(runs).size).toBe(2);
  });

  test("`stream` in the body takes precedence over Accept, and Accept alone is enough", async () => {
    const worker = startWorker();
    const input = uniqueText();
    const type = async (body: object, headers = {}): Promise<string | null> => {
      const response = await worker.ask({ input, ...body }, headers);
      await response.text();
      return response.headers.get("content-type");
    };
    expect(await type({ stream: true })).toMatch(/^text\/event-stream/);
    expect(await type({ stream: true }, { accept: "application/json" })).toMatch(/^text\/event-stream/);
    expect(await type({}, EVENTS)).toMatch(/^text\/event-stream/);
    expect(await type({ stream: false }, EVENTS)).toMatch(/^application\/json/);
    expect(await type({ stream: true }, TEXT)).toMatch(/^text\/plain/);
  });

  test("a follow-up has x-continuity", async () => {
    const worker = startWorker();
    const { id } = await worker.answer({ input: uniqueText() });
    for (const headers of [{}, EVENTS, TEXT]) {
      const response = await worker.ask({ input: uniqueText(), previous_response_id: id }, headers);
      expect(response.headers.get("x-continuity")).toBe("upstream");
      await response.text();
    }
  });

  test.each(["cut", "reset", "bare-json", "invalid-utf8", "too-large/9000000"])(
    "emulate/%s ends with one error event and stores nothing",
    async (fault) => {
      const worker = startWorker();
      const events = await stream(worker, { input: uniqueText(), model: `emulate/${fault}` });
      const names = namesOf(events);
      expect(names.filter((name) => name === "done" || name === "error")).toEqual(["error"]);
      expect(names[0]).toBe("start");
      expect(names.at(-1)).toBe("error");
      const some = expect.stringMatching(/./) as string;
      const request_id = log.requests()[0]?.["request_id"];
      expect(events.at(-1)?.data).toEqual({ error: { message: some, type: some, code: some, param: "", request_id } });
      expect(await kvKeys("")).toEqual([]);
      expect(log.requests()).toMatchObject([{ status: 200, code: expect.stringMatching(/^upstream_/) as string }]);
    },
  );

  test.each([
    ["heartbeat-error", 429, "upstream_rate_limited"],
    ["error-event", 502, "upstream_error"],
    ["error-event-nested", 429, "upstream_rate_limited"],
    ["failed", 502, "upstream_error"],
    ["401", 502, "upstream_auth"],
    ["402", 502, "upstream_quota"],
    ["500", 502, "upstream_error"],
    ["503", 503, "upstream_unavailable"],
    ["reset-before-headers", 502, "upstream_error"],
    ["not-json", 502, "upstream_invalid_response"],
  ])("emulate/%s fails before the first byte, so the response has the error's status", async (fault, status, code) => {
    const worker = startWorker();
    for (const [headers, fields] of [
      [EVENTS, {}],
      [TEXT, { stream: true }],
    ] as const) {
      const response = await worker.ask({ input: uniqueText(), model: `emulate/${fault}`, ...fields }, headers);
      expect(response.status).toBe(status);
      expect(response.headers.get("content-type")).toMatch(/^application\/json/);
      expect((await problemOf(response)).code).toBe(code);
    }
  });

  test("the upstream connection is closed after a malformed event", async () => {
    for (const headers of [EVENTS, TEXT]) {
      const upstream = scriptedUpstream();
      const pendingResponse = startWorker().ask({ input: uniqueText(), stream: true }, headers);
      await upstream.called;
      upstream.send(created, deltaEvent("Hel"));
      const reader = (await pendingResponse).body?.getReader();
      await reader?.read();
      upstream.sendBytes("data: {broken\n\n");
      await readToEnd(reader).catch(() => undefined);
      expect(upstream.isClosed()).toBe(true);
      vi.restoreAllMocks();
    }
  });

  test("the upstream connection is closed if its first event is malformed", async () => {
    const upstream = scriptedUpstream();
    const pendingResponse = startWorker().ask({ input: uniqueText() }, EVENTS);
    await upstream.called;
    upstream.sendBytes("data: {broken\n\n");
    expect((await pendingResponse).status).toBe(502);
    expect(upstream.isClosed()).toBe(true);
  });
});

async function readToEnd(reader: ReadableStreamDefaultReader<Uint8Array> | undefined): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const piece = await reader?.read();
    if (piece === undefined || piece.done) return text;
    text += decoder.decode(piece.value, { stream: true });
  }
}

describe("a text stream", () => {
  test("is the bare text, with the id in a header", async () => {
    const worker = startWorker();
    const input = uniqueText();
    const response = await worker.ask({ input, stream: true }, TEXT);
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(response.headers.get("x-response-status")).toBeNull();
    const text = await response.text();
    await worker.settled();
    const id = response.headers.get("x-response-id") ?? "";
    expect(await (await worker.get(`/ask/${id}`)).json()).toMatchObject({ id, text, status: "completed" });
  });

  test.each(["error-event", "failed", "heartbeat-error"])(
    "emulate/%s fails before the first text, so the response has the error's status",
    async (fault) => {
      const worker = startWorker();
      const response = await worker.ask({ input: uniqueText(), model: `emulate/${fault}`, stream: true }, TEXT);
      expect(response.ok).toBe(false);
      const { code } = await problemOf(response);
      expect(code).toMatch(/^upstream_/);
      await worker.settled();
      expect(await kvKeys("")).toEqual([]);
      expect(log.requests()).toMatchObject([{ code, status: response.status }]);
    },
  );

  test.each(["cut", "reset"])("emulate/%s breaks the connection", async (fault) => {
    const worker = startWorker();
    const response = await worker.ask({ input: uniqueText(), model: `emulate/${fault}`, stream: true }, TEXT);
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow();
    await worker.settled();
    expect(await kvKeys("")).toEqual([]);
    expect(log.requests()).toMatchObject([{ code: "upstream_error", status: 200 }]);
  });
});

describe("a client that disconnects", () => {
  test.each([
    ["an event stream", EVENTS],
    ["a text stream", TEXT],
  ])("during %s aborts the upstream call and is logged once", async (_name, headers) => {
    const worker = startWorker();
    const input = uniqueText();
    const response = await worker.ask({ input, model: "emulate/slow/400", stream: true }, headers);
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    await vi.waitFor(async () => expect(await receivedRequests(input)).toMatchObject([{ ended: "client_left" }]), {
      timeout: 5_000,
    });
    await worker.settled();
    expect(await kvKeys("")).toEqual([]);
    expect(log.requests()).toMatchObject([{ reason: "client_left" }]);
  });

  test("before there is any answer aborts the upstream call, too", async () => {
    const input = uniqueText();
    const worker = startWorker();
    const client = new AbortController();
    const pendingResponse = worker.send("/ask", {
      method: "POST",
      body: JSON.stringify({ input, model: "emulate/stall" }),
      signal: client.signal,
    });
    const outcome = pendingResponse.then(
      (response) => response.status,
      () => "aborted",
    );
    await vi.waitFor(async () => expect(await receivedRequests(input)).toHaveLength(1));
    client.abort();
    await vi.waitFor(async () => expect(await receivedRequests(input)).toMatchObject([{ ended: "client_left" }]), {
      timeout: 5_000,
    });
    expect([502, "aborted"]).toContain(await outcome);
  });

  test("after the end of the answer does not abort the upstream call, and the turn is stored", async () => {
    const worker = startWorker();
    const input = uniqueText();
    const reader = (await worker.ask({ input }, EVENTS)).body?.getReader();
    let received = "";
    while (!received.includes("event: done")) {
      const chunk = await reader?.read();
      expect(chunk?.done).toBe(false);
      received += new TextDecoder().decode(chunk?.value);
    }
    await reader?.cancel();
    await worker.settled();
    expect(await receivedRequests(input)).toMatchObject([{ ended: "complete" }]);
    expect(await kvKeys("turn:")).toHaveLength(1);
  });
});

describe("while upstream is silent", () => {
  const text = async (reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> => {
    const { value } = await reader.read();
    return new TextDecoder().decode(value);
  };

  test("the headers and a ping are sent after five seconds, so that no client gives up", async () => {
    vi.useFakeTimers();
    const upstream = scriptedUpstream();
    const worker = startWorker();
    let head: Response | undefined;
    const pendingResponse = worker.ask({ input: uniqueText() }, EVENTS).then((response) => (head = response));
    await upstream.called;
    await vi.advanceTimersByTimeAsync(4_999);
    expect(head).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    const response = await pendingResponse;
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    const reader = response.body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    const first = text(reader);
    await vi.advanceTimersByTimeAsync(1);
    expect(await first).toBe(": ping\n\n");
    const second = text(reader);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(await second).toBe(": ping\n\n");
    upstream.send(created, deltaEvent("Hello"), completedEvent("Hello"));
    upstream.end();
    expect(namesOf(eventsIn(await readToEnd(reader)))).toEqual(["start", "text", "done"]);
    expect(log.requests()).toMatchObject([{ status: 200, stream: true }]);
  });

  test("a refusal after the first ping is sent as an error event", async () => {
    vi.useFakeTimers();
    const upstream = scriptedUpstream();
    const pendingResponse = startWorker().ask({ input: uniqueText() }, EVENTS);
    await upstream.called;
    await vi.advanceTimersByTimeAsync(5_000);
    const response = await pendingResponse;
    upstream.send({ error: { code: "rate_limit_exceeded", message: "slow down" } });
    const events = eventsIn(await response.text());
    expect(namesOf(events)).toEqual(["error"]);
    expect(events[0]?.data).toMatchObject({ error: { code: "upstream_rate_limited" } });
    expect(log.requests()).toMatchObject([{ status: 200, code: "upstream_rate_limited" }]);
  });

  test("a ping is sent mid-stream, five seconds after the last write", async () => {
    vi.useFakeTimers();
    const upstream = scriptedUpstream();
    const pendingResponse = startWorker().ask({ input: uniqueText() }, EVENTS);
    await upstream.called;
    upstream.send(created, deltaEvent("one"));
    const reader = (await pendingResponse).body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    expect(namesOf(eventsIn(await text(reader)))).toEqual(["start", "text"]);
    await vi.advanceTimersByTimeAsync(3_000);
    upstream.send(deltaEvent("two"));
    expect(namesOf(eventsIn(await text(reader)))).toEqual(["text"]);
    let spoke: string | undefined;
    const next = text(reader).then((chunk) => (spoke = chunk));
    await vi.advanceTimersByTimeAsync(4_999);
    expect(spoke).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect(await next).toBe(": ping\n\n");
    await reader.cancel();
    await vi.waitFor(() => expect(upstream.isClosed()).toBe(true));
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a client that disconnects still aborts the upstream call, and no timer is left running", async () => {
    vi.useFakeTimers();
    const upstream = scriptedUpstream();
    const pendingResponse = startWorker().ask({ input: uniqueText() }, EVENTS);
    await upstream.called;
    upstream.send(created, deltaEvent("one"));
    await (await pendingResponse).body?.cancel();
    await vi.waitFor(() => expect(upstream.isClosed()).toBe(true));
    expect(vi.getTimerCount()).toBe(0);
    expect(log.requests()).toMatchObject([{ reason: "client_left" }]);
  });
});
