// The client's streams over real connections that break: the text is the same, byte for byte, and upstream is called once.
import type { Answer } from "../../src/contract/answer.ts";
import { afterEach, describe, expect, test, vi } from "vitest";
import {
  type AnswerStream,
  type AskEvent,
  AskError,
  type Client,
  createClient,
  type ResumeToken,
} from "../../src/client/client.ts";
import { formatEvent } from "../../src/core/lib/sse.ts";
import { ANSWER, eventsOf, type FakeRuns, type Script, startFakeRuns } from "../support/fake-runs.ts";

const EVENTS = eventsOf(ANSWER);

const open: FakeRuns[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const server of open.splice(0)) await server.close();
});

async function start(script: Partial<Script> = {}): Promise<{ server: FakeRuns; client: Client }> {
  const server = await startFakeRuns({ events: EVENTS, ...script });
  open.push(server);
  return { server, client: createClient({ url: server.url, token: "sk_test" }) };
}

async function readAll(stream: AnswerStream): Promise<AskEvent[]> {
  const events: AskEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

const textIn = (events: readonly AskEvent[]): string =>
  events.map((one) => (one.event === "text" ? one.data.delta : "")).join("");
const failureOf = (work: Promise<unknown>): Promise<AskError> =>
  work.then(
    () => expect.fail("it did not fail"),
    (error: AskError) => error,
  );

/** A generator with the same numbers in every run. */
function dice(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

test("a stream gives its events in order, and the answer", async () => {
  const { server, client } = await start();
  const stream = client.stream("hi");
  expect(await readAll(stream)).toEqual(EVENTS);
  expect(await stream.answer()).toEqual(ANSWER);
  expect(server.requests).toMatchObject([
    {
      method: "POST",
      path: "/ask",
      headers: {
        authorization: "Bearer sk_test",
        "content-type": "application/json",
        "idempotency-key": expect.stringMatching(/^[\da-f-]{36}$/),
      },
      body: { input: "hi", stream: true },
    },
  ]);
  expect(server.requests[0]?.headers).not.toHaveProperty("last-event-id");
});

describe("a connection that breaks", () => {
  const answer = { id: "resp_ue1_one", text: "é😀" } as Answer;
  const SHORT = [...eventsOf(answer, 1).slice(0, 3), { event: "done", data: answer } as const];
  const bytes = Buffer.from(
    SHORT.map(({ event, data }, n) => formatEvent(`f0-${n}`, event, JSON.stringify(data))).join(""),
  ).length;

  test.each([
    ["torn off", false],
    ["ended cleanly", true],
  ])("is resumed after the last complete event, at whatever byte it was %s", async (_, endsCleanly) => {
    const { server, client } = await start({
      events: SHORT,
      endsCleanly,
      breakAfter: (_, request) =>
        request.headers["last-event-id"] === undefined && request.repeats === 0
          ? Number(request.body["user"])
          : undefined,
    });
    const everywhere = Array.from({ length: bytes }, (_, at) =>
      readAll(client.stream({ input: "hi", user: String(at) })),
    );
    for (const events of await Promise.all(everywhere)) expect(events).toEqual(SHORT);
    expect(server.requests.length).toBe(2 * bytes);
    expect(server.calls()).toBe(bytes);
  });

  test("a hundred times at random places does not change the text", async () => {
    const text = Array.from({ length: 400 }, (_, n) => `${n} Grüße 你好 😀\n`).join("");
    const events = eventsOf({ ...ANSWER, text }, 7);
    const roll = dice(7);
    let breaks = 0;
    // Always after at least one event, so that there is no pause.
    const { server, client } = await start({
      events,
      breakAfter: () => (breaks++ < 100 ? 150 + roll(600) : undefined),
    });
    const stream = client.stream("hi");
    const received = await readAll(stream);
    expect(textIn(received)).toBe(text);
    expect(received).toEqual(events);
    expect(server.requests.length).toBe(101);
    expect(server.calls()).toBe(1);
    const [first, ...others] = server.requests;
    for (const other of others) expect(other.body).toEqual(first?.body);
  });

  test("before the first event causes the same request again, without Last-Event-ID", async () => {
    const { server, client } = await start({ breakAfter: (connection) => (connection === 0 ? 0 : undefined) });
    await client.stream("hi").answer();
    expect(server.requests.map(({ headers }) => headers["last-event-id"])).toEqual([undefined, undefined]);
    expect(server.calls()).toBe(1);
  });

  test("is never continued with the events of another run", async () => {
    const { client } = await start({
      breakAfter: (connection) => (connection === 0 ? 300 : undefined),
      format: (id, event, data) => formatEvent(id.replace("f0", `run${Math.random()}`), event, data),
      instead: (request) => !delete request.headers["last-event-id"],
    });
    expect(await failureOf(client.stream("hi").answer())).toMatchObject({ code: "stream_lost", retryable: false });
  });
});

test.each([
  ["repeats", 0],
  ["skips", 2],
])("a stream that %s an event fails instead of returning wrong text", async (_, by) => {
  const text = (n: number): string => formatEvent(`f0-${n}`, "text", '{"delta":"x"}');
  const fetch = (): Promise<Response> => Promise.resolve(new Response(text(0) + text(by)));
  const stream = createClient({ url: "http://worker.example", fetch }).stream("hi");
  await stream.next();
  await expect(stream.next()).rejects.toMatchObject({ code: "stream_lost" });
});

describe("retries", () => {
  /** @returns when each request was sent, in milliseconds since the start */
  async function timesOf(
    answers: (at: number, init: RequestInit) => Promise<Response>,
    use = (client: Client): Promise<unknown> => client.stream("hi").answer(),
  ) {
    vi.useFakeTimers();
    const times: number[] = [];
    const begun = Date.now();
    const client = createClient({
      url: "http://worker.example",
      fetch: (_, init) => answers(times.push(Date.now() - begun) - 1, init),
    });
    const result = use(client).catch((error: unknown) => error);
    await vi.runAllTimersAsync();
    return { times, result: await result };
  }
  const offline = (): Promise<Response> => Promise.reject(new TypeError("fetch failed"));
  const failWith = (status: number, headers: Record<string, string> = {}): Promise<Response> =>
    Promise.resolve(
      Response.json({ error: { message: "No.", type: "server_error", code: "some_code" } }, { status, headers }),
    );
  const begin = (): Promise<Response> =>
    Promise.resolve(
      new Response(formatEvent("f0-0", "start", "{}"), { headers: { "content-type": "text/event-stream" } }),
    );

  test("a stream with events is retried six times, first immediately and then with growing pauses", async () => {
    const { times, result } = await timesOf((at) => (at === 0 ? begin() : offline()));
    expect(times).toEqual([0, 0, 1_000, 3_000, 7_000, 15_000, 31_000]);
    expect(result).toMatchObject({
      name: "AskError",
      code: "connection_lost",
      type: "connection_lost",
      status: 0,
      retryable: true,
    });
  });

  test.each([
    ["a stream", undefined],
    ["an answer", (client: Client) => client.ask("hi")],
  ])("a request without any event is retried twice: %s", async (_, use) => {
    const { times, result } = await timesOf(offline, use);
    expect(times).toEqual([0, 0, 1_000]);
    expect((result as AskError).cause).toEqual(new TypeError("fetch failed"));
  });

  test.each([
    ["a stream", undefined],
    ["an answer", (client: Client) => client.ask("hi")],
  ])("a response that breaks each time reports its request id: %s", async (_, use) => {
    const half = (): ReadableStream =>
      new ReadableStream({ pull: (controller) => controller.error(new TypeError("terminated")) });
    const { times, result } = await timesOf(
      (at) => Promise.resolve(new Response(half(), { headers: { "x-request-id": `req_${at}` } })),
      use,
    );
    expect(times).toEqual([0, 0, 1_000]);
    expect(result).toBeInstanceOf(AskError);
    expect(result).toMatchObject({ code: "connection_lost", status: 0, requestId: "req_2", retryable: true });
    expect((result as AskError).cause).toEqual(new TypeError("terminated"));
  });

  test("a new event resets the count of retries", async () => {
    const one = (n: number): Promise<Response> =>
      Promise.resolve(new Response(formatEvent(`f0-${n}`, "text", '{"delta":"x"}')));
    const { times, result } = await timesOf((at) => (at % 4 === 0 ? one(at / 4) : at < 20 ? offline() : failWith(400)));
    expect(times.length).toBe(22);
    expect(result).toMatchObject({ status: 400 });
  });

  test.each([
    [429, "7", [0, 7_000, 14_000]],
    [503, "60", [0, 60_000, 120_000]],
    [503, "61", [0]],
    [502, "", [0, 500, 1_500]],
    [500, "", [0, 500, 1_500]],
    [400, "", [0]],
    [409, "", [0]],
    [422, "", [0]],
  ])("for status %s with Retry-After %j, requests are sent after %j ms", async (status, after, expected) => {
    const headers = after === "" ? undefined : { "retry-after": after };
    const { times, result } = await timesOf(
      () => failWith(status, headers),
      (client) => client.ask("hi"),
    );
    expect(times).toEqual(expected);
    expect(result).toMatchObject({ status, retryAfter: Number(after) });
  });

  test("a stream whose recording is temporarily unavailable resumes after the last event", async () => {
    const temporaryError = formatEvent(
      "f0-0",
      "error",
      JSON.stringify({ error: { message: "Later.", type: "server_error", code: "unavailable" } }),
    );
    const rest = formatEvent("f0-1", "done", JSON.stringify(ANSWER));
    const lastEventIds: unknown[] = [];
    const { times, result } = await timesOf((at, { headers }) => {
      lastEventIds.push((headers as Record<string, string>)["last-event-id"]);
      return Promise.resolve(new Response(at === 0 ? formatEvent("f0-0", "start", "{}") + temporaryError : rest));
    });
    expect(result).toEqual(ANSWER);
    expect(lastEventIds).toEqual([undefined, "f0-0"]);
    expect(times).toEqual([0, 500]);
  });

  test.each([429, 500, 502, 503, 504])(
    "status %s with x-should-retry: false is final, even for a stream with events",
    async (status) => {
      const { times, result } = await timesOf((at) =>
        at === 0 ? begin() : failWith(status, { "x-should-retry": "false" }),
      );
      expect(times).toEqual([0, 0]);
      expect(result).toMatchObject({ status, retryable: false });
    },
  );

  test("a connection that is silent for thirty seconds counts as broken, and is closed", async () => {
    let cancelled = 0;
    const signals: RequestInit["signal"][] = [];
    const { times, result } = await timesOf((at, { signal }) => {
      signals.push(signal);
      // The first connection can end only through its reader, the others through their signal.
      if (at > 0)
        return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason as Error)));
      const ping = new TextEncoder().encode(": ping\n\n");
      return Promise.resolve(
        new Response(
          new ReadableStream({ start: (controller) => controller.enqueue(ping), cancel: () => void (cancelled += 1) }),
        ),
      );
    });
    expect(result).toMatchObject({ code: "connection_lost" });
    expect(times).toEqual([0, 30_000, 61_000]);
    expect(signals.map((signal) => signal?.aborted)).toEqual([true, true, true]);
    expect(cancelled).toBe(1);
  });
});

describe("closing a stream", () => {
  const endless = (): Partial<Script> => ({
    instead(_, response) {
      response
        .writeHead(200, { "content-type": "text/event-stream" })
        .write(formatEvent("f0-0", "start", '{"request_id":"r","model":"m"}'));
      return true;
    },
  });

  test("a break out of the loop closes the connection", async () => {
    const { server, client } = await start(endless());
    for await (const { event } of client.stream("hi")) if (event === "start") break;
    await server.requests[0]?.disconnected;
  });

  test("a stream that is closed while it waits ends immediately, without an error", async () => {
    const { server, client } = await start(endless());
    const stream = client.stream("hi");
    await stream.next();
    const waiting = stream.next();
    expect(await stream.return()).toEqual({ done: true, value: undefined });
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    await server.requests[0]?.disconnected;
    await expect(stream.answer()).rejects.toThrow(/abort/);
    expect(server.requests.length).toBe(1);
  });

  test("a signal ends a stream with its reason, and nothing is sent again", async () => {
    const { server, client } = await start(endless());
    const controller = new AbortController();
    const stream = client.stream("hi", { signal: controller.signal });
    await stream.next();
    controller.abort(new Error("stopped by the user"));
    await expect(stream.next()).rejects.toThrow("stopped by the user");
    await server.requests[0]?.disconnected;
    expect(server.requests.length).toBe(1);
  });

  test("a signal ends a stream with its reason, even if the next events have already arrived", async () => {
    const text = EVENTS.map(({ event, data }, n) => formatEvent(`f0-${n}`, event, JSON.stringify(data))).join("");
    const client = createClient({
      url: "http://worker.example",
      token: "sk_test",
      fetch: () => Promise.resolve(new Response(text, { headers: { "content-type": "text/event-stream" } })),
    });
    const controller = new AbortController();
    const stream = client.stream("hi", { signal: controller.signal });
    await stream.next();
    controller.abort(new Error("stopped by the user"));
    await expect(stream.next()).rejects.toThrow("stopped by the user");
  });

  test("a signal ends the pause before a retry", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const controller = new AbortController();
    const client = createClient({
      url: "http://worker.example",
      fetch(_, { signal }) {
        if (signal?.aborted) return Promise.reject(signal.reason as Error);
        queueMicrotask(() => setImmediate(() => controller.abort()));
        return Promise.resolve(Response.json({}, { status: 503, headers: { "retry-after": "50" } }));
      },
    });
    await expect(client.ask("hi", { signal: controller.signal })).rejects.toThrow(/abort/);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a signal that is already aborted rejects an answer", async () => {
    const { client } = await start();
    await expect(client.ask("hi", { signal: AbortSignal.abort() })).rejects.toThrow(/abort/);
  });

  describe("while the token function hangs", () => {
    const createHangingClient = (): { client: Client; sent: string[]; called: Promise<void> } => {
      const sent: string[] = [];
      const { promise: called, resolve } = Promise.withResolvers<void>();
      const client = createClient({
        url: "http://worker.example",
        token: () => new Promise(() => resolve()),
        fetch: (url) => Promise.reject(new TypeError(`sent ${sent.push(url)} times`)),
      });
      return { client, sent, called };
    };

    test.each([
      ["an answer", (client: Client, signal: AbortSignal) => client.ask("hi", { signal })],
      ["a stream", (client: Client, signal: AbortSignal) => client.stream("hi", { signal }).next()],
    ])("a signal ends %s immediately with its reason, and nothing is sent", async (_, use) => {
      const { client, sent, called } = createHangingClient();
      const controller = new AbortController();
      const waiting = failureOf(use(client, controller.signal));
      await called;
      controller.abort(new Error("stopped by the user"));
      expect((await waiting).message).toBe("stopped by the user");
      expect((await failureOf(use(client, controller.signal))).message, "it was aborted before").toBe(
        "stopped by the user",
      );
      expect(sent).toEqual([]);
    });

    test("a stream that is closed ends immediately, without an error", async () => {
      const { client, sent, called } = createHangingClient();
      const stream = client.stream("hi");
      const waiting = stream.next();
      await called;
      expect(await stream.return()).toEqual({ done: true, value: undefined });
      expect(await waiting).toEqual({ done: true, value: undefined });
      expect(sent).toEqual([]);
    });
  });
});

describe("a resume token", () => {
  test("copied at any event resumes after it, in another client, as JSON", async () => {
    const { server, client } = await start();
    const stream = client.stream({ input: "hi", metadata: { a: "b" } });
    const tokens: string[] = [JSON.stringify(stream.resumeToken)];
    for await (const _ of stream) tokens.push(JSON.stringify(stream.resumeToken));
    expect(tokens.length).toBe(EVENTS.length + 1);
    for (const [n, token] of tokens.slice(0, -1).entries()) {
      const again = createClient({ url: server.url }).resume(JSON.parse(token) as ResumeToken);
      expect(await readAll(again)).toEqual(EVENTS.slice(n));
    }
    expect(server.calls()).toBe(1);
  });

  test("copied at the end repeats the last event", async () => {
    const { client } = await start();
    const stream = client.stream("hi");
    await stream.answer();
    expect(await readAll(client.resume(stream.resumeToken))).toEqual(EVENTS.slice(-1));
  });

  test("of a stream whose recording is gone fails", async () => {
    const { client } = await start();
    const failure = await failureOf(client.resume({ key: "k", body: { input: "hi" }, lastEventId: "f9-3" }).answer());
    expect(failure).toMatchObject({ status: 409, code: "stream_lost", retryable: false });
  });
});

test("an error event is thrown with all its fields", async () => {
  const error = { message: "It broke.", type: "server_error", code: "upstream_error", param: "", request_id: "req_2" };
  const { client } = await start({ events: [...EVENTS.slice(0, 2), { event: "error", data: { error } }] });
  const stream = client.stream("hi");
  expect(await stream.next()).toMatchObject({ value: { event: "start" } });
  const failure = await failureOf(stream.answer());
  expect(failure).toBeInstanceOf(AskError);
  expect(failure).toMatchObject({
    message: "It broke.",
    code: "upstream_error",
    requestId: "req_2",
    status: 200,
    retryable: false,
  });
});
