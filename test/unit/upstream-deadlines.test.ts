// The clock over an upstream call: each deadline to the millisecond, the caller who leaves, and nothing left running afterwards.
import { getEventListeners } from "node:events";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Problem } from "../../src/core/lib/problem.ts";
import { uniapi, type UpstreamDeadlines, type UpstreamReply } from "../../src/platform/upstream/upstream.ts";

// By its path alone: the types of wire.ts are a Worker's, and here is Node.
const { DEADLINES } = await vi.importActual<{ DEADLINES: UpstreamDeadlines }>("../../src/wire.ts");
beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

interface Call {
  reply: Promise<UpstreamReply>;
  caller: AbortController;
  /** Answers with headers; the body is `send` and `close`'s. */
  respond: (init?: ResponseInit) => void;
  send: (text: string) => void;
  close: () => void;
  /** Whether our side let go: fetch aborted, or body cancelled. */
  released: () => boolean;
  /** Who listens to the signal that fetch was given: fetch itself, and nobody else. */
  listeners: () => number;
}

type Whose = "a caller's" | "nobody's";
const EITHER: Whose[] = ["a caller's", "nobody's"];

/** @param whose a request that waits, or nobody's, as a flight's and a job's */
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
  const { create } = uniapi(
    { baseUrl: "https://api.example", key: "sk-canary-4f9d2c7b1e8a", deadlines: DEADLINES },
    fetcher,
    () => Date.now(),
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
/** Whether a promise is settled after everything that is due has run. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  promise.then(
    () => (done = true),
    () => (done = true),
  );
  await vi.advanceTimersByTimeAsync(0);
  return done;
}
function expectNothingLeft({ caller, listeners }: Call): void {
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

test("the shipped deadlines are the contract's", () => {
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

describe("the first byte", () => {
  test.each([
    [true, "a caller's"],
    [true, "nobody's"],
    [false, "a caller's"],
    [false, "nobody's"],
  ] as const)("has 120 s (stream %s, %s)", async (stream, whose) => {
    const started = call(stream, whose);
    await vi.advanceTimersByTimeAsync(119_999);
    expect(await settled(started.reply)).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await outcome(started.reply)).toBe(TIMEOUT);
    expect(started.released()).toBe(true);
    expectNothingLeft(started);
  });
});

describe("silence", () => {
  test.each(EITHER)("between bytes of a stream may last 300 s, and any byte ends it (%s)", async (whose) => {
    const started = call(true, whose);
    const stream = await streamOf(started);
    for (const bytes of ["data", ": ping", "\n", "\n"]) {
      const next = stream.next();
      await vi.advanceTimersByTimeAsync(299_999);
      expect(await settled(next)).toBe(false);
      started.send(bytes);
      expect(await settled(next)).toBe(true);
    }
    const next = stream.next();
    next.catch(() => undefined);
    await vi.advanceTimersByTimeAsync(299_999);
    expect(await settled(next)).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await outcome(next)).toBe(TIMEOUT);
    expect(started.released()).toBe(true);
    expectNothingLeft(started);
  });

  test("before a whole answer may last 300 s, and a heartbeat line ends it", async () => {
    const started = call(false);
    started.respond();
    await vi.advanceTimersByTimeAsync(299_999);
    started.send("\n");
    await vi.advanceTimersByTimeAsync(299_999);
    expect(await settled(started.reply)).toBe(false);
    started.send('\n{"object":"response"}');
    started.close();
    expect(await outcome(started.reply)).toBe("accepted");
    expectNothingLeft(started);

    for (const whose of EITHER) {
      const silent = call(false, whose);
      silent.respond();
      await vi.advanceTimersByTimeAsync(300_000);
      expect(await outcome(silent.reply)).toBe(TIMEOUT);
      expect(silent.released()).toBe(true);
      expectNothingLeft(silent);
    }
  });

  test("in the body of a refusal does not hide its status", async () => {
    const started = call(false);
    started.respond({ status: 503 });
    await vi.advanceTimersByTimeAsync(300_000);
    expect(await outcome(started.reply)).toBe("503 upstream_unavailable unpaid upstream 503");
    expectNothingLeft(started);
  });
});

describe("the whole", () => {
  test.each(EITHER)("has 3,600 s, however much is said (%s)", async (whose) => {
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
    expect(await settled(next)).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await outcome(next)).toBe(TIMEOUT);
    expect(started.released()).toBe(true);
    expectNothingLeft(started);
  });
});

describe("a caller who leaves", () => {
  const LEFT = "502 upstream_error maybe client_left";

  test("before the first byte aborts the call at once", async () => {
    const started = call(true);
    started.caller.abort();
    expect(await outcome(started.reply)).toBe(LEFT);
    expect(started.released()).toBe(true);
    expectNothingLeft(started);
  });

  test("in a stream aborts the call at once", async () => {
    const started = call(true);
    const stream = await streamOf(started);
    const next = stream.next();
    next.catch(() => undefined);
    started.caller.abort();
    expect(await outcome(next)).toBe(LEFT);
    expect(started.released()).toBe(true);
    expectNothingLeft(started);
  });

  test("before anything was asked is told so, and the request was made aborted", async () => {
    const caller = new AbortController();
    caller.abort();
    const fetcher = vi.fn<(url: string, init: RequestInit) => Promise<Response>>((_, init) =>
      init.signal?.aborted === true
        ? Promise.reject(new DOMException("aborted", "AbortError"))
        : Promise.resolve(Response.json({})),
    );
    const settings = { baseUrl: "https://api.example", key: "sk-canary-4f9d2c7b1e8a", deadlines: DEADLINES };
    const upstream = uniapi(settings, fetcher as unknown as typeof fetch, () => Date.now());
    expect(await outcome(upstream.create({}, true, caller.signal))).toBe(LEFT);
    expect(fetcher.mock.calls.every(([, init]) => init.signal?.aborted)).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("in the moment when the answer begins leaves no clock behind", async () => {
    const started = call(true);
    started.respond();
    const left = started.reply.then(() => undefined);
    left.catch(() => undefined);
    await Promise.resolve();
    started.caller.abort();
    await outcome(started.reply);
    const reply = await started.reply.catch(() => undefined);
    if (reply?.kind === "stream") expect(await outcome(reply.stream.next())).toBe(LEFT);
    expectNothingLeft(started);
  });
});

describe("nothing is left running", () => {
  test("after a stream's end", async () => {
    const started = call(true);
    const stream = await streamOf(started);
    started.send("data: 1\n\n");
    started.close();
    expect(await stream.next()).toHaveLength(1);
    expect(await stream.next()).toBeNull();
    expectNothingLeft(started);
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
      expectNothingLeft(started);
    }
  });

  test("after a refusal, and after an answer that is none", async () => {
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
      expectNothingLeft(started);
    }
  });

  test("a thousand chunks keep one timer", async () => {
    const started = call(true);
    const stream = await streamOf(started);
    for (let n = 0; n < 1_000; n += 1) {
      started.send("data: 1\n\n");
      await stream.next();
      expect(vi.getTimerCount()).toBe(1);
    }
    stream.cancel();
    expectNothingLeft(started);
  });
});

test("a refusal whose words do not come is told by its status after five seconds", async () => {
  const { reply, respond } = call(true);
  respond({ status: 503 });
  const told = outcome(reply);
  await vi.advanceTimersByTimeAsync(4_999);
  let settled = false;
  void told.then(() => (settled = true));
  await vi.advanceTimersByTimeAsync(0);
  expect(settled).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(await told).toMatch(/upstream_unavailable/);
  expect(vi.getTimerCount()).toBe(0);
});
