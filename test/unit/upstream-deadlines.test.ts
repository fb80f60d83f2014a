// The deadlines of an upstream call: each to the millisecond, the caller who disconnects, and that no timer or listener remains.
import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Problem } from "../../src/core/lib/problem.ts";
import type { UpstreamDeadlines } from "../../src/platform/upstream/call-deadline.ts";
import { createUpstream, type UpstreamReply } from "../../src/platform/upstream/upstream.ts";

// Imported without types: those of wire.ts need a Worker's globals, and this test runs in Node.
const { DEADLINES } = await vi.importActual<{ DEADLINES: UpstreamDeadlines }>("../../src/wire.ts");
beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

interface Call {
  reply: Promise<UpstreamReply>;
  caller: AbortController;
  /** Answers with headers; `send` and `close` make the body. */
  respond: (init?: ResponseInit) => void;
  send: (text: string) => void;
  close: () => void;
  /** Whether the fetch was aborted or the body cancelled. */
  released: () => boolean;
  /** The number of listeners on the signal that fetch received. */
  listeners: () => number;
}

type Whose = "a caller's" | "nobody's";
const EITHER: Whose[] = ["a caller's", "nobody's"];

/** @param whose "nobody's": no caller waits, as for a run or a job */
function call(stream: boolean, whose: Whose = "a caller's"): Call {
  const caller = new AbortController();
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  let body: ReadableStreamDefaultController<Uint8Array> | undefined;
  let cancelled = false;
  let signal: AbortSignal | null | undefined;
  const fetcher = ((_: string, init: RequestInit) => {
    signal = init.signal;
    signal?.addEventListener("abort", () => {
      const aborted = new DOMException("aborted", "AbortError");
      reject(aborted);
      if (!cancelled) body?.error(aborted);
    });
    return promise;
  }) as unknown as typeof fetch;
  const { create } = createUpstream(
    { baseUrl: "https://api.example", key: "sk-canary-4f9d2c7b1e8a", deadlines: DEADLINES },
    fetcher,
    () => Date.now(),
    () => "00",
  );
  const reply = create({ model: "m" }, stream, whose === "nobody's" ? undefined : caller.signal);
  reply.catch(() => undefined);
  return {
    reply,
    caller,
    respond(init) {
      const readable = new ReadableStream<Uint8Array>({
        start: (controller) => void (body = controller),
        cancel: () => void (cancelled = true),
      });
      resolve(
        new Response(readable, {
          headers: { "content-type": stream ? "text/event-stream" : "application/json" },
          ...init,
        }),
      );
    },
    send: (text) => body?.enqueue(new TextEncoder().encode(text)),
    close: () => body?.close(),
    released: () => cancelled || signal?.aborted === true,
    listeners: () => (signal ? getEventListeners(signal, "abort").length : 0),
  };
}

async function outcome(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "accepted";
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return `${error.status} ${error.code} ${error.details.paid} ${error.details.reason}`;
  }
}
/** Whether a promise is settled after all due timers have run. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  promise.then(
    () => (done = true),
    () => (done = true),
  );
  await vi.advanceTimersByTimeAsync(0);
  return done;
}
function expectNothingRuns({ caller, listeners }: Call): void {
  expect(vi.getTimerCount()).toBe(0);
  expect(getEventListeners(caller.signal, "abort")).toHaveLength(0);
  expect(listeners()).toBe(1);
}
async function streamOf(started: Call) {
  started.respond();
  const reply = await started.reply;
  if (reply.kind !== "stream") throw new Error("no stream");
  return reply.stream;
}
const TIMEOUT = "504 upstream_timeout maybe deadline";

test("the default deadlines are those of docs/contract.md §8", () => {
  expect(DEADLINES).toEqual({
    upstream_first_byte: 120_000,
    upstream_idle: 300_000,
    upstream_total: 3_600_000,
    body: 10_000,
    job_total: 2_900_000,
    callback: 15_000,
    usage: 10_000,
  });
});

describe("the first byte of an upstream answer", () => {
  test.each([
    [true, "a caller's"],
    [true, "nobody's"],
    [false, "a caller's"],
    [false, "nobody's"],
  ] as const)("may take 120 s (stream: %s, %s)", async (stream, whose) => {
    const started = call(stream, whose);
    await vi.advanceTimersByTimeAsync(119_999);
    expect(await isSettled(started.reply)).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await outcome(started.reply)).toBe(TIMEOUT);
    expect(started.released()).toBe(true);
    expectNothingRuns(started);
  });
});

describe("silence", () => {
  test.each(EITHER)("between bytes of a stream may last 300 s, and any byte restarts the count (%s)", async (whose) => {
    const started = call(true, whose);
    const stream = await streamOf(started);
    for (const bytes of ["data", ": ping", "\n", "\n"]) {
      const next = stream.next();
      await vi.advanceTimersByTimeAsync(299_999);
      expect(await isSettled(next)).toBe(false);
      started.send(bytes);
      expect(await isSettled(next)).toBe(true);
    }
    const next = stream.next();
    next.catch(() => undefined);
    await vi.advanceTimersByTimeAsync(299_999);
    expect(await isSettled(next)).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await outcome(next)).toBe(TIMEOUT);
    expect(started.released()).toBe(true);
    expectNothingRuns(started);
  });

  test("before a JSON answer may last 300 s, and a heartbeat line restarts the count", async () => {
    const started = call(false);
    started.respond();
    await vi.advanceTimersByTimeAsync(299_999);
    started.send("\n");
    await vi.advanceTimersByTimeAsync(299_999);
    expect(await isSettled(started.reply)).toBe(false);
    started.send('\n{"object":"response"}');
    started.close();
    expect(await outcome(started.reply)).toBe("accepted");
    expectNothingRuns(started);

    for (const whose of EITHER) {
      const silent = call(false, whose);
      silent.respond();
      await vi.advanceTimersByTimeAsync(300_000);
      expect(await outcome(silent.reply)).toBe(TIMEOUT);
      expect(silent.released()).toBe(true);
      expectNothingRuns(silent);
    }
  });

  test("in the body of an error does not hide its status", async () => {
    const started = call(false);
    started.respond({ status: 503 });
    await vi.advanceTimersByTimeAsync(300_000);
    expect(await outcome(started.reply)).toBe("503 upstream_unavailable unpaid upstream 503");
    expectNothingRuns(started);
  });
});

describe("the total time of an upstream call", () => {
  test.each(EITHER)("is at most 3,600 s, however much arrives (%s)", async (whose) => {
    const started = call(true, whose);
    await vi.advanceTimersByTimeAsync(60_000);
    const stream = await streamOf(started);
    for (let minutes = 1; minutes < 59; minutes += 1) {
      await vi.advanceTimersByTimeAsync(60_000);
      started.send(`data: ${minutes}\n\n`);
      expect(await stream.next()).toHaveLength(1);
    }
    const next = stream.next();
    next.catch(() => undefined);
    await vi.advanceTimersByTimeAsync(59_999);
    expect(await isSettled(next)).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await outcome(next)).toBe(TIMEOUT);
    expect(started.released()).toBe(true);
    expectNothingRuns(started);
  });
});

describe("a caller who disconnects", () => {
  const LEFT = "502 upstream_error maybe client_left";

  test("before the first byte aborts the call immediately", async () => {
    const started = call(true);
    started.caller.abort();
    expect(await outcome(started.reply)).toBe(LEFT);
    expect(started.released()).toBe(true);
    expectNothingRuns(started);
  });

  test("in a stream aborts the call immediately", async () => {
    const started = call(true);
    const stream = await streamOf(started);
    const next = stream.next();
    next.catch(() => undefined);
    started.caller.abort();
    expect(await outcome(next)).toBe(LEFT);
    expect(started.released()).toBe(true);
    expectNothingRuns(started);
  });

  test("before the call begins is given the same problem, and any fetch receives an aborted signal", async () => {
    const caller = new AbortController();
    caller.abort();
    const fetcher = vi.fn<(url: string, init: RequestInit) => Promise<Response>>((_, init) =>
      init.signal?.aborted === true
        ? Promise.reject(new DOMException("aborted", "AbortError"))
        : Promise.resolve(Response.json({})),
    );
    const settings = { baseUrl: "https://api.example", key: "sk-canary-4f9d2c7b1e8a", deadlines: DEADLINES };
    const upstream = createUpstream(
      settings,
      fetcher as unknown as typeof fetch,
      () => Date.now(),
      () => "00",
    );
    expect(await outcome(upstream.create({}, true, caller.signal))).toBe(LEFT);
    expect(fetcher.mock.calls.every(([, init]) => init.signal?.aborted)).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("while the answer begins leaves no timer", async () => {
    const started = call(true);
    started.respond();
    const finished = started.reply.then(() => undefined);
    finished.catch(() => undefined);
    await Promise.resolve();
    started.caller.abort();
    await outcome(started.reply);
    const reply = await started.reply.catch(() => undefined);
    if (reply?.kind === "stream") expect(await outcome(reply.stream.next())).toBe(LEFT);
    expectNothingRuns(started);
  });
});

describe("no timer or listener remains", () => {
  test("after a stream's end", async () => {
    const started = call(true);
    const stream = await streamOf(started);
    started.send("data: 1\n\n");
    started.close();
    expect(await stream.next()).toHaveLength(1);
    expect(await stream.next()).toBeNull();
    expectNothingRuns(started);
  });

  test.each(EITHER)("after a stream was cancelled, while it waited or not (%s)", async (whose) => {
    for (const waits of [true, false]) {
      const started = call(true, whose);
      const stream = await streamOf(started);
      const next = waits ? stream.next() : undefined;
      next?.catch(() => undefined);
      stream.cancel();
      await vi.advanceTimersByTimeAsync(0);
      expect(started.released()).toBe(true);
      expect(await stream.next()).toBeNull();
      expectNothingRuns(started);
    }
  });

  test("after an error, and after an invalid answer", async () => {
    for (const [status, text] of [
      [429, "{}"],
      [200, "<html>"],
    ] as const) {
      const started = call(false);
      started.respond({ status });
      await vi.advanceTimersByTimeAsync(0);
      started.send(text);
      started.close();
      expect(await outcome(started.reply)).not.toBe("accepted");
      expectNothingRuns(started);
    }
  });

  test("a thousand chunks use one timer", async () => {
    const started = call(true);
    const stream = await streamOf(started);
    for (let n = 0; n < 1_000; n += 1) {
      started.send("data: 1\n\n");
      await stream.next();
      expect(vi.getTimerCount()).toBe(1);
    }
    stream.cancel();
    expectNothingRuns(started);
  });
});

test("an error whose body does not arrive is classified by its status after five seconds", async () => {
  const { reply, respond } = call(true);
  respond({ status: 503 });
  const result = outcome(reply);
  await vi.advanceTimersByTimeAsync(4_999);
  let isSettled = false;
  void result.then(() => (isSettled = true));
  await vi.advanceTimersByTimeAsync(0);
  expect(isSettled).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(await result).toMatch(/upstream_unavailable/);
  expect(vi.getTimerCount()).toBe(0);
});
