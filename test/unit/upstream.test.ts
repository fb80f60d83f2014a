// The adapter of UniAPI over a fake fetch: the request that it sends, and how it reads every kind of answer.
import { readFileSync } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import { Problem } from "../../src/core/lib/problem.ts";
import { parseFrame } from "../../src/core/lib/sse.ts";
import type { UpstreamDeadlines } from "../../src/platform/upstream/call-deadline.ts";
import { createUpstream, type Upstream, type UpstreamReply } from "../../src/platform/upstream/upstream.ts";

// Imported without types: those of wire.ts need a Worker's globals, and this test runs in Node.
const { DEADLINES } = await vi.importActual<{ DEADLINES: UpstreamDeadlines }>("../../src/wire.ts");
const KEY = "sk-canary-4f9d2c7b1e8a";
type SentRequest = { url: string; init: RequestInit };

function upstreamOf(reply: () => Response | Promise<Response>): { upstream: Upstream; requests: SentRequest[] } {
  const requests: SentRequest[] = [];
  const fetcher = (async (url: string, init: RequestInit) => {
    requests.push({ url, init });
    return reply();
  }) as unknown as typeof fetch;
  return {
    upstream: createUpstream(
      { baseUrl: "https://api.example", key: KEY, deadlines: DEADLINES },
      fetcher,
      () => 0,
      () => "00",
    ),
    requests,
  };
}

const create = (reply: () => Response | Promise<Response>, stream = false): Promise<UpstreamReply> =>
  upstreamOf(reply).upstream.create({ model: "m", input: "hi" }, stream, new AbortController().signal);

/** `status code paid` of the problem, or the result. */
async function outcome(work: Promise<unknown>): Promise<string> {
  try {
    return `accepted ${JSON.stringify(await work)}`;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    expect(JSON.stringify([error.body("r"), error.details])).not.toMatch(/canary|[\u4e00-\u9fff]/);
    return `${error.status} ${error.body("r").error.code} ${error.details.paid}`;
  }
}

/** The data of all events of a stream. */
async function dataOf(reply: UpstreamReply): Promise<string[]> {
  if (reply.kind !== "stream") throw new Error("no stream");
  const data: string[] = [];
  for (let frames = await reply.stream.next(); frames !== null; frames = await reply.stream.next()) {
    for (const frame of frames) data.push(parseFrame(new TextDecoder().decode(frame))?.data ?? "");
  }
  return data.filter((text) => text !== "");
}

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
const fixture = (name: string): string => readFileSync(new URL(`../fixtures/derived/${name}`, import.meta.url), "utf8");
const JSON_HEADERS = { "content-type": "application/json" };
const SSE_HEADERS = { "content-type": "text/event-stream" };
const json =
  (body: unknown, status = 200) =>
  () =>
    Response.json(body, { status });
const sse =
  (...chunks: (string | Uint8Array<ArrayBuffer>)[]) =>
  () => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(typeof chunk === "string" ? bytesOf(chunk) : chunk);
        controller.close();
      },
    });
    return new Response(body, { headers: SSE_HEADERS });
  };
const response = { object: "response", id: "resp_1", output: [] };

describe("the request to upstream", () => {
  test.each([
    [true, "text/event-stream"],
    [false, "application/json"],
  ])(
    "with stream %s: exactly these headers, no redirect followed, and stream set in the body",
    async (stream, accept) => {
      const { upstream, requests } = upstreamOf(stream ? sse("data: 1\n\n") : json(response));
      await upstream.create({ model: "m", input: "hé", stream: !stream }, stream, new AbortController().signal);
      const [{ url, init } = { url: "", init: {} }] = requests;
      expect(requests).toHaveLength(1);
      expect(url).toBe("https://api.example/v1/responses");
      expect(Object.fromEntries(new Headers(init.headers))).toEqual({
        authorization: `Bearer ${KEY}`,
        "content-type": "application/json",
        accept,
        "user-agent": "uniapi-edge",
      });
      expect([init.method, init.redirect]).toEqual(["POST", "manual"]);
      expect(Object.keys(init).toSorted()).toEqual(["body", "headers", "method", "redirect", "signal"]);
      expect(JSON.parse(String(init.body))).toEqual({ model: "m", input: "hé", stream });
    },
  );
});

describe("an upstream JSON answer", () => {
  test("a response object is returned unchanged", async () => {
    expect(await create(json({ ...response, more: [1] }))).toEqual({
      kind: "response",
      response: { ...response, more: [1] },
    });
  });

  test("heartbeat lines before it are skipped", async () => {
    const reply = await create(
      () => new Response(fixture("d28-onehub-heartbeat-nonstream.txt"), { headers: JSON_HEADERS }),
    );
    expect(reply).toMatchObject({ kind: "response", response: { status: "completed" } });
  });

  test.each(["\n", "\r\n", "\r"])(
    "an event stream in response to a request for JSON is read to its terminal event (line ends %j)",
    async (end) => {
      const events = fixture("d30-onehub-heartbeat-stream.sse").replaceAll("\n", end);
      const reply = await create(() => new Response(events, { headers: SSE_HEADERS }));
      expect(reply).toMatchObject({
        kind: "response",
        response: { status: "completed", output: [{ type: "message" }] },
      });
    },
  );

  test.each(["application/json", "Application/JSON; charset=utf-8"])(
    "JSON in response to a request for a stream is a complete answer (%s)",
    async (type) => {
      const reply = await create(
        () => new Response(JSON.stringify(response), { headers: { "content-type": type } }),
        true,
      );
      expect(reply).toEqual({ kind: "response", response });
    },
  );

  test.each<[string, () => Response, string]>([
    [
      "an error under 200",
      json({ error: { code: "rate_limit_exceeded", message: "上游负载" } }),
      "429 upstream_rate_limited unpaid",
    ],
    [
      "an error after heartbeats",
      () => new Response(fixture("d29-onehub-heartbeat-nonstream-error-http200.txt")),
      "429 upstream_rate_limited unpaid",
    ],
    [
      "an error in a stream",
      () => new Response(fixture("d31-onehub-heartbeat-stream-error-http200.sse")),
      "429 upstream_rate_limited unpaid",
    ],
    ["an unknown error under 200", json({ error: { message: "oops" } }), "502 upstream_error maybe"],
    ["an error event", () => new Response(fixture("d09-error-event-flat.sse")), "502 upstream_error maybe"],
    ["an HTML page", () => new Response("<html>hi</html>"), "502 upstream_invalid_response maybe"],
    ["nothing", () => new Response(null, { status: 204 }), "502 upstream_invalid_response maybe"],
    ["an empty body", () => new Response(""), "502 upstream_invalid_response maybe"],
    ["JSON that is not a response", json({ success: true }), "502 upstream_invalid_response maybe"],
    ["a refusal as a sentence", () => new Response("Rate limit reached."), "429 upstream_rate_limited unpaid"],
    ["a refusal as a list", json([{ error: { code: 429 } }]), "429 upstream_rate_limited unpaid"],
    ["a refusal as detail", json({ detail: "Rate limit reached." }), "429 upstream_rate_limited unpaid"],
    [
      "an answer about rate limits that was cut",
      () => new Response('{"object":"response","output":[{"content":[{"text":"A rate limit is'),
      "502 upstream_invalid_response maybe",
    ],
    ["a page about rate limits", () => new Response("<html>Too many requests"), "502 upstream_invalid_response maybe"],
    ["a list", json([]), "502 upstream_invalid_response maybe"],
    [
      "an incomplete JSON object",
      () => new Response('{"object":"response","output":['),
      "502 upstream_invalid_response maybe",
    ],
    ["a cut stream", () => new Response(fixture("d08-cut-stream.sse")), "502 upstream_error maybe"],
    [
      "bytes that are not UTF-8",
      () => new Response(Uint8Array.of(0x7b, 0xff, 0x7d)),
      "502 upstream_invalid_response maybe",
    ],
  ])("%s is refused", async (_, reply, expected) => {
    expect(await outcome(create(reply))).toBe(expected);
  });

  test("8 MiB are accepted, and not a byte more", async () => {
    const body = (size: number): string =>
      JSON.stringify({ object: "response", pad: "" }).replace('""', `"${"x".repeat(size - 30)}"`);
    expect(body(100)).toHaveLength(100);
    expect(await create(() => new Response(body(8_388_608)))).toMatchObject({ kind: "response" });
    expect(await outcome(create(() => new Response(body(8_388_609))))).toBe("502 upstream_invalid_response maybe");
  });

  test("a connection that breaks may have been paid, and a body that can't be decoded is an invalid answer", async () => {
    const brokenBody = (headers: Record<string, string>) => () =>
      new Response(new ReadableStream({ pull: (controller) => controller.error(new TypeError(`reset ${KEY}`)) }), {
        headers,
      });
    expect(await outcome(create(() => Promise.reject(new TypeError("refused"))))).toBe("502 upstream_error maybe");
    expect(await outcome(create(brokenBody({})))).toBe("502 upstream_error maybe");
    expect(await outcome(create(brokenBody({ "content-encoding": "br" })))).toBe("502 upstream_invalid_response maybe");
    expect(
      await outcome(
        create(() => new Response(Uint8Array.of(0x1f, 0x8b, 8, 0), { headers: { "content-encoding": "gzip" } })),
      ),
    ).toBe("502 upstream_invalid_response maybe");
  });
});

describe("an upstream refusal", () => {
  test.each<[string, () => Response, string]>([
    [
      "JSON",
      json({ error: { code: "context_length_exceeded", message: "too long" } }, 400),
      "400 context_length_exceeded unpaid",
    ],
    ["nothing", () => new Response(null, { status: 429 }), "429 upstream_rate_limited unpaid"],
    [
      "an HTML page",
      () => new Response(fixture("d50-cloudflare-502.html"), { status: 502 }),
      "502 upstream_error maybe",
    ],
    [
      "a redirect",
      () => new Response(null, { status: 307, headers: { location: "https://evil.example" } }),
      "502 upstream_invalid_response unpaid",
    ],
    ["more than 64 KiB", () => new Response("x".repeat(70_000), { status: 503 }), "503 upstream_unavailable unpaid"],
    ["bytes that are not UTF-8", () => new Response(Uint8Array.of(0xff), { status: 401 }), "502 upstream_auth unpaid"],
    [
      "a body that breaks",
      () =>
        new Response(new ReadableStream({ pull: (controller) => controller.error(new Error("reset")) }), {
          status: 503,
        }),
      "503 upstream_unavailable unpaid",
    ],
  ])("with %s as its body is classified by its code, or else by its status", async (_, reply, expected) => {
    for (const stream of [true, false]) expect(await outcome(create(reply, stream))).toBe(expected);
  });

  test("has upstream's Retry-After", async () => {
    const reply = () => new Response(null, { status: 429, headers: { "retry-after": "7" } });
    await expect(create(reply)).rejects.toMatchObject({ details: { retryAfter: 7, upstreamRetryAfter: 7 } });
  });

  test("in a stream is read the same way", () => {
    const { upstream } = upstreamOf(json(response));
    expect(upstream.problemFromBody({ error: { code: "rate_limit_exceeded" } }).code).toBe("upstream_rate_limited");
    expect(upstream.problemFromBody({ type: "error", code: "server_error" }).details.paid).toBe("maybe");
  });
});

describe("an upstream stream", () => {
  test("complete frames are returned, however the bytes are split", async () => {
    expect(await dataOf(await create(sse("data: 1\n", "\ndata: 2", "\r\n\r", "\ndata: 3\n\n"), true))).toEqual([
      "1",
      "2",
      "3",
    ]);
  });

  test.each<[string, string[]]>([
    ['data: {"a":1}', ['{"a":1}']],
    ['{"error":{"code":"x"}}', ['{"error":{"code":"x"}}']],
    ['event: x\ndata: {"a":1}\n', ['{"a":1}']],
    ['data: {"a":1', []],
    ["data: [DONE]", []],
    [": bye", []],
    ["\n\n", []],
  ])("a last frame without its blank line is returned only if it is a complete event: %j", async (rest, expected) => {
    expect(await dataOf(await create(sse("data: 0\n\n", rest), true))).toEqual(["0", ...expected]);
  });

  test("a last frame that is not UTF-8 is not an event", async () => {
    expect(await dataOf(await create(sse("data: 0\n\n", Uint8Array.of(0x7b, 0xff)), true))).toEqual(["0"]);
  });

  test("an HTML page is not a stream", async () => {
    const page = () => new Response("<html>hi</html>", { headers: { "content-type": "text/html" } });
    expect(await outcome(create(page, true))).toBe("502 upstream_invalid_response maybe");
  });

  test("returns null after its end", async () => {
    const reply = await create(sse("data: 1\n\n"), true);
    if (reply.kind !== "stream") throw new Error("no stream");
    expect(await dataOf(reply)).toEqual(["1"]);
    expect(await reply.stream.next()).toBeNull();
  });

  test("an event over 8 MiB ends the stream, and its body is cancelled", async () => {
    let cancelled = false;
    const chunk = bytesOf("x".repeat(1_048_576));
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(chunk),
      cancel: () => {
        cancelled = true;
      },
    });
    const reply = await create(() => new Response(endless, { headers: SSE_HEADERS }), true);
    expect(await outcome(dataOf(reply))).toBe("502 upstream_invalid_response maybe");
    expect(cancelled).toBe(true);
  });

  test("a connection that breaks is an error, never an end", async () => {
    const brokenBody = new ReadableStream({
      start: (controller) => controller.enqueue(bytesOf("data: 1\n\n")),
      pull: (controller) => controller.error(new TypeError("reset")),
    });
    expect(await outcome(create(() => new Response(brokenBody, { headers: SSE_HEADERS }), true).then(dataOf))).toBe(
      "502 upstream_error maybe",
    );
  });
});
