// The calls of the client: bodies, tokens, errors, conversations.
import { afterEach, describe, expect, expectTypeOf, test } from "vitest";
import type * as packaged from "uniapi-edge/client";
import {
  type AskBody,
  AskError,
  type AskEvent,
  type Client,
  type ClientOptions,
  createClient,
} from "../../src/client/client.ts";
import type { Answer, AskEvent as ContractEvent } from "../../src/contract/answer.ts";
import type { AskBody as ContractBody } from "../../src/contract/ask.ts";
import { ANSWER, eventsOf, type FakeRuns, refuse, type Script, sendJson, startFakeRuns } from "../support/fake-runs.ts";

const open: FakeRuns[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

async function start(
  script: Partial<Script> = {},
  options: Partial<ClientOptions> = {},
): Promise<{ server: FakeRuns; client: Client }> {
  const server = await startFakeRuns({ events: eventsOf(ANSWER), ...script });
  open.push(server);
  return { server, client: createClient({ url: server.url, ...options }) };
}

/** The answers have the ids a, b, c … */
const chain: Partial<Script> = {
  instead(request, response, connection) {
    const id = "abcdefgh"[connection];
    if (request.method === "GET") return false;
    const answer = { ...ANSWER, id, previous_response_id: request.body["previous_response_id"] ?? null };
    if (request.body["stream"] !== true) sendJson(response, 200, answer);
    else
      response
        .writeHead(200, { "content-type": "text/event-stream" })
        .end(`id: x-0\nevent: done\ndata: ${JSON.stringify(answer)}\n\n`);
    return true;
  },
};
const bodiesOf = (server: FakeRuns): Record<string, unknown>[] => server.requests.map(({ body }) => body);

describe("a question to the client", () => {
  test("is a string, messages or a complete body, and its own preset overrides the client's", async () => {
    const { server, client } = await start({}, { preset: "support" });
    const messages = [{ role: "user", content: "hi" }];
    await client.ask("hi");
    await client.ask(messages);
    await client.ask({ input: "hi", preset: "other", cache: false, previous_response_id: "resp_ue1_x" });
    expect(bodiesOf(server)).toEqual([
      { input: "hi", preset: "support", previous_response_id: null, stream: false },
      { input: messages, preset: "support", previous_response_id: null, stream: false },
      { input: "hi", preset: "other", cache: false, previous_response_id: "resp_ue1_x", stream: false },
    ]);
  });

  test("has a new Idempotency-Key each time, or the given one", async () => {
    const { server, client } = await start();
    await client.ask("hi");
    await client.ask("hi");
    await client.ask("hi", { idempotencyKey: "mine" });
    const keys = server.requests.map(({ headers }) => headers["idempotency-key"]);
    expect(new Set(keys).size).toBe(3);
    expect(keys[2]).toBe("mine");
  });

  test("gets the trimmed answer, even if the connection broke in the middle", async () => {
    const { server, client } = await start({
      instead(_, response, connection) {
        if (connection > 0) return false;
        response.writeHead(200, { "content-type": "application/json", "content-length": 1_000 });
        response.write('{"id":', () => response.socket?.destroy());
        return true;
      },
    });
    expect(await client.ask("hi")).toEqual(ANSWER);
    expect(server.requests[1]?.headers["idempotency-key"]).toBe(server.requests[0]?.headers["idempotency-key"]);
  });

  test("has the contract's types, in the source and in the declarations of the package", () => {
    // If this does not compile: npm run build:client.
    type Sendable = Omit<ContractBody, "stream">;
    expectTypeOf<AskBody>().toEqualTypeOf<packaged.AskBody>();
    expectTypeOf<keyof AskBody>().toEqualTypeOf<keyof Sendable>();
    expectTypeOf<AskBody>().toExtend<Sendable>();
    expectTypeOf<Sendable>().toExtend<AskBody>();
    type Streamed = Exclude<ContractEvent, { event: "error" }>;
    expectTypeOf<AskEvent>().toEqualTypeOf<packaged.AskEvent>();
    expectTypeOf<AskEvent>().toExtend<Streamed>();
    expectTypeOf<Streamed>().toExtend<AskEvent>();
    expectTypeOf<packaged.Answer>().toEqualTypeOf<Answer>();
  });

  test("reaches the Worker by a URL with or without a trailing slash; an invalid URL is rejected", async () => {
    const { server, client } = await start();
    await client.ask("hi");
    await createClient({ url: new URL(server.url) }).ask("hi");
    await createClient({ url: `${server.url}/` }).ask("hi");
    expect(server.requests.map(({ path }) => path)).toEqual(["/ask", "/ask", "/ask"]);
    await expect(createClient({ url: "localhost" }).ask("hi")).rejects.toThrow(TypeError);
  });
});

describe("the client's token", () => {
  /** Accepts only these tokens. */
  const accepts = (...tokens: string[]): Partial<Script> => ({
    instead(request, response) {
      if (tokens.includes(request.headers["authorization"]?.replace("Bearer ", "") ?? "none")) return false;
      refuse(response, 401, "invalid_credentials");
      return true;
    },
  });
  const sentTokens = (server: FakeRuns): (string | undefined)[] =>
    server.requests.map(({ headers }) => headers["authorization"]?.slice(7));

  test("from a function is fetched once and stored", async () => {
    const refused: (string | undefined)[] = [];
    const { server, client } = await start(accepts("t1"), { token: (old) => `t${refused.push(old)}` });
    await Promise.all([client.ask("a"), client.ask("b"), client.stream("c").answer()]);
    await client.ask("d");
    expect(refused).toEqual([undefined]);
    expect(sentTokens(server)).toEqual(["t1", "t1", "t1", "t1"]);
  });

  test("that has expired is renewed once for all waiting requests, and the same question is sent again", async () => {
    const refused: (string | undefined)[] = [];
    const { server, client } = await start(accepts("t2"), { token: async (old) => `t${refused.push(old)}` });
    await Promise.all([client.ask("a"), client.ask("b"), client.stream("c").answer()]);
    expect(refused).toEqual([undefined, "t1"]);
    expect(sentTokens(server).toSorted()).toEqual(["t1", "t1", "t1", "t2", "t2", "t2"]);
    expect(server.calls()).toBe(3);
  });

  test("that expires within a stream is renewed when the connection breaks", async () => {
    let good = "t1";
    const { server, client } = await start(
      {
        breakAfter: (connection) => (connection === 0 ? 300 : undefined),
        instead(request, response, connection) {
          if (connection === 1) good = "t2";
          if (request.headers["authorization"] === `Bearer ${good}`) return false;
          refuse(response, 401, "invalid_credentials");
          return true;
        },
      },
      { token: (old) => (old === undefined ? "t1" : "t2") },
    );
    expect((await client.stream("hi").answer()).text).toBe(ANSWER.text);
    expect(sentTokens(server)).toEqual(["t1", "t1", "t2"]);
  });

  test.each([
    ["a fixed token", "t0", 1],
    ["a function that returns the same token again", () => "t0", 1],
    ["a function that returns another token", (old?: string) => (old === undefined ? "t0" : "t1"), 2],
    ["a function that returns no token the second time", (old?: string) => (old === undefined ? "t0" : ""), 1],
    ["no token", undefined, 1],
  ])("that is refused causes an error after as few requests as possible: %s", async (_, token, requests) => {
    const { server, client } = await start(accepts("other"), { token });
    await expect(client.ask("hi")).rejects.toMatchObject({ status: 401, code: "invalid_credentials" });
    expect(server.requests.length).toBe(requests);
  });

  test("from a function that throws fails the request with that error, and the next request calls the function again", async () => {
    let calls = 0;
    const { client } = await start(accepts("t2"), {
      token: () => (++calls === 1 ? Promise.reject(new Error("not logged in")) : `t${calls}`),
    });
    await expect(client.ask("hi")).rejects.toThrow("not logged in");
    expect(await client.ask("hi")).toEqual(ANSWER);
  });
});

describe("an error from the client", () => {
  test("has the fields of the Worker's error", async () => {
    const { client } = await start({
      instead(_, response) {
        const error = {
          message: "`temprature` is no field.",
          type: "invalid_request_error",
          code: "unknown_parameter",
          param: "temprature",
          request_id: "req_1",
        };
        sendJson(response, 400, { error });
        return true;
      },
    });
    const failure = await client.ask("hi").catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(AskError);
    expect(failure).toBeInstanceOf(Error);
    expect(failure).toMatchObject({
      name: "AskError",
      message: "`temprature` is no field.",
      type: "invalid_request_error",
      code: "unknown_parameter",
      param: "temprature",
      requestId: "req_1",
      status: 400,
      retryAfter: 0,
      retryable: false,
    });
  });

  test("has a code even if another server answered", async () => {
    const { client } = await start({
      instead: (_, response) => response.writeHead(413).end("<h1>Too large</h1>") !== undefined,
    });
    await expect(client.ask("hi")).rejects.toMatchObject({
      status: 413,
      code: "unexpected_response",
      requestId: "",
      message: "HTTP 413",
    });
  });

  describe("of a response with status 200 that is not an answer", () => {
    const headers = { "x-request-id": "req_7" };
    const use: [string, (client: Client) => Promise<unknown>][] = [
      ["ask", (client) => client.ask("hi")],
      ["stream", (client) => client.stream("hi").answer()],
    ];
    const events = (text: string): Response => new Response(text, { headers });

    test.each([
      ["an HTML page", "ask", () => new Response("<h1>Sign in to the network</h1>", { headers })],
      ["half of an answer", "ask", () => new Response('{"id":"resp_ue1_o', { headers })],
      ["no body", "ask", () => new Response(null, { headers })],
      ["null", "ask", () => new Response("null", { headers })],
      ["no body", "stream", () => new Response(null, { headers })],
      ["an event that is not JSON", "stream", () => events("id: f0-0\nevent: start\ndata: <h1>\n\n")],
      ["a `done` event with null", "stream", () => events("id: f0-0\nevent: done\ndata: null\n\n")],
      ["an `error` event without fields", "stream", () => events("id: f0-0\nevent: error\ndata: {}\n\n")],
    ])("has the code unexpected_response and the request id: %s, in reply to %s()", async (_, name, answer) => {
      let sent = 0;
      const fetch = (): Promise<Response> => Promise.resolve(((sent += 1), answer()));
      const client = createClient({ url: "http://worker.example", fetch });
      const failure = await new Map(use)
        .get(name)?.(client)
        .catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(AskError);
      expect(failure).toMatchObject({
        code: "unexpected_response",
        type: "unexpected_response",
        message: "HTTP 200",
        status: 200,
        requestId: "req_7",
        retryable: false,
      });
      expect(sent, "it may have been paid for").toBe(1);
    });
  });

  test.each([
    ["an error that is a string", '{"error":"Bad Gateway"}'],
    ["an error that is null", '{"error":null}'],
    ["HTML", "<h1>Bad Gateway</h1>"],
  ])("of a server between the client and the Worker has a code too: %s", async (_, body) => {
    const { client } = await start({
      instead: (_, response) => response.writeHead(403, { "x-request-id": "req_8" }).end(body) !== undefined,
    });
    await expect(client.ask("hi")).rejects.toMatchObject({
      name: "AskError",
      status: 403,
      code: "unexpected_response",
      message: "HTTP 403",
      requestId: "req_8",
    });
  });

  test("with x-should-retry: false is not retried, and has the seconds of its Retry-After", async () => {
    const { server, client } = await start({
      instead: (_, response) =>
        refuse(response, 429, "budget_exceeded", { "retry-after": "3600", "x-should-retry": "false" }) ?? true,
    });
    await expect(client.ask("hi")).rejects.toMatchObject({
      status: 429,
      code: "budget_exceeded",
      retryAfter: 3_600,
      retryable: false,
    });
    expect(server.requests).toHaveLength(1);
  });
});

describe("a conversation", () => {
  test("continues from its last answer, by ask and by stream", async () => {
    const { server, client } = await start(chain);
    const conversation = client.conversation({ preset: "support" });
    expect(conversation.id).toBe(null);
    await conversation.ask("one");
    await conversation.stream("two").answer();
    await conversation.ask({ input: "three", cache: false });
    expect(conversation.id).toBe("c");
    expect(bodiesOf(server)).toMatchObject([
      { input: "one", preset: "support", previous_response_id: null },
      { input: "two", preset: "support", previous_response_id: "a" },
      { input: "three", preset: "support", previous_response_id: "b", cache: false },
    ]);
  });

  test("retries the last question from the same parent, bypassing the cache", async () => {
    const { server, client } = await start(chain);
    const conversation = client.conversation();
    await conversation.ask("one");
    await conversation.ask({ input: "two", metadata: { a: "b" } });
    const again = await conversation.retry().answer();
    expect(again).toMatchObject({ id: "c", previous_response_id: "a" });
    await conversation.ask("three");
    expect(bodiesOf(server).slice(2)).toMatchObject([
      { input: "two", metadata: { a: "b" }, previous_response_id: "a", cache: "refresh", stream: true },
      { input: "three", previous_response_id: "c" },
    ]);
    expect(server.requests[2]?.headers["idempotency-key"]).not.toBe(server.requests[1]?.headers["idempotency-key"]);
  });

  test("can retry a question that failed", async () => {
    const { server, client } = await start({
      instead: (request, response, connection) =>
        connection === 1
          ? (refuse(response, 400, "upstream_rejected") ?? true)
          : (chain.instead?.(request, response, connection) ?? false),
    });
    const conversation = client.conversation();
    await conversation.ask("one");
    await expect(conversation.stream("two").answer()).rejects.toMatchObject({ code: "upstream_rejected" });
    expect(conversation.id).toBe("a");
    await conversation.retry().answer();
    expect(bodiesOf(server)[2]).toMatchObject({ input: "two", previous_response_id: "a" });
  });

  test("is restored from an id: its turns, and the question to retry", async () => {
    const turns = [
      { input: "one", answer: { ...ANSWER, id: "a" } },
      { input: [{ role: "user", content: "two" }], answer: { ...ANSWER, id: "b", previous_response_id: "a" } },
    ];
    const { server, client } = await start({
      instead: (request, response, connection) =>
        request.method === "GET"
          ? (sendJson(response, 200, { turns }) ?? true)
          : (chain.instead?.(request, response, connection) ?? false),
    });
    const conversation = client.conversation({ id: "b", preset: "support" });
    expect(await conversation.turns()).toEqual(turns);
    await conversation.retry().answer();
    expect(server.requests).toMatchObject([
      { method: "GET", path: "/ask/b?thread=true" },
      {
        method: "POST",
        body: {
          input: [{ role: "user", content: "two" }],
          previous_response_id: "a",
          preset: "support",
          cache: "refresh",
        },
      },
    ]);
    expect(server.requests[0]?.headers).not.toHaveProperty("idempotency-key");
    expect(await client.conversation().turns()).toEqual([]);
  });

  test("branches from any of its answers, and is unchanged itself", async () => {
    const { server, client } = await start(chain);
    const conversation = client.conversation({ preset: "support" });
    await conversation.ask("one");
    await conversation.ask("two");
    const other = conversation.branch("a");
    await other.ask("two, otherwise");
    await conversation.branch(null).ask("one, otherwise");
    await conversation.branch().ask("three");
    expect([conversation.id, other.id]).toEqual(["b", "c"]);
    expect(bodiesOf(server).slice(2)).toMatchObject([
      { previous_response_id: "a", preset: "support" },
      { previous_response_id: null, preset: "support" },
      { previous_response_id: "b", preset: "support" },
    ]);
  });

  test("resumes a stream that was closed, and knows its answer and its question", async () => {
    const { server, client } = await start();
    const before = client.conversation();
    const stream = before.stream("hi");
    await stream.next();
    await stream.return();
    expect(before.id).toBe(null);
    const after = client.conversation();
    await after.resume(stream.resumeToken).answer();
    expect(after.id).toBe(ANSWER.id);
    await after.retry().answer();
    expect(bodiesOf(server).at(-1)).toMatchObject({ input: "hi", cache: "refresh", previous_response_id: null });
  });
});
