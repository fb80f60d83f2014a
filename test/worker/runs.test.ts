// Exactly once, as callers see it: one key, one upstream call, one outcome, on both routes and in every form.
import type { Answer } from "../../src/contract/answer.ts";
import { abortAllDurableObjects, evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, test, vi } from "vitest";
import { runOf, freshKey, storedRecordingOf, respondOnce } from "./run-stub.ts";
import { claimsOf, hs256, SESSION_KEYS } from "./tokens.ts";
import {
  as,
  calls,
  eachTestAlone,
  eventsIn,
  EVENTS,
  type HeaderTable,
  joinDeltas,
  KEYS,
  kvKeys,
  uniqueText,
  namesOf,
  problemOf,
  receivedRequests,
  SERVER_KEYS,
  startWorker,
  TEXT,
  UPSTREAM_KEY,
  type WorkerUnderTest,
} from "./worker.ts";

const log = eachTestAlone();

/** Reads an answer in any form. */
async function readAnswer(response: Response): Promise<Answer> {
  const text = await response.text();
  if (!(response.headers.get("content-type") ?? "").startsWith("text/event-stream")) return JSON.parse(text) as Answer;
  const events = eventsIn(text);
  const done = events.find(({ event }) => event === "done")?.data as unknown as Answer;
  expect(namesOf(events).at(-1)).toBe("done");
  expect(joinDeltas(events, "text")).toBe(done.text);
  return done;
}

const expectUpstreamEnd = async (input: string, outcome: "complete" | "client_left"): Promise<void> => {
  await vi.waitFor(async () => expect(await receivedRequests(input)).toMatchObject([{ ended: outcome }]), {
    timeout: 10_000,
  });
};

describe("an Idempotency-Key", () => {
  test("with one key, twenty concurrent requests, half of them streams, make one upstream call and get equal answers", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "emulate/slow/10" };
    const key = freshKey();
    const responses = await Promise.all(
      Array.from({ length: 20 }, (_, n) => worker.ask(body, n % 2 === 0 ? key : { ...key, ...EVENTS })),
    );
    const answers = await Promise.all(responses.map(readAnswer));
    expect(answers[0]?.text).toBe(`You said: "${body.input}".`);
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    expect(await calls(body.input)).toBe(1);
    await worker.settled();
    const roles = log.requests().map(({ run }) => run);
    expect(roles.filter((role) => role === "started")).toHaveLength(1);
    expect(roles.filter((role) => role === "joined")).toHaveLength(19);
  });

  test("repeats the answer in every form, even after the object was evicted", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), cache: false };
    const key = freshKey();
    const first = await readAnswer(await worker.ask(body, { ...key, ...EVENTS }));
    const answer = await readAnswer(await worker.ask(body, key));
    expect(answer).toEqual(first);
    await evictDurableObject(await runOf(key));
    expect(await readAnswer(await worker.ask({ ...body, stream: true }, key))).toEqual(answer);
    expect(await readAnswer(await worker.ask({ ...body, stream: false }, { ...key, ...EVENTS }))).toEqual(answer);
    for (const fields of [{}, { stream: true }]) {
      const text = await worker.ask({ ...body, ...fields }, { ...key, ...TEXT });
      expect([text.headers.get("x-response-id"), await text.text()]).toEqual([answer.id, answer.text]);
    }
    expect(await calls(body.input)).toBe(1);
    await worker.settled();
    expect(log.requests().map(({ run }) => run)).toEqual(["started", ...Array.from({ length: 5 }, () => "replayed")]);
  });

  test("repeats the answer of /v1/responses byte for byte, as JSON and as a stream", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "gpt-6-sol", stream: true };
    const key = freshKey();
    const first = await (await respondOnce(worker, body, key)).text();
    expect(first).toMatch(/data: \[DONE\]\n\n$/);
    expect(await (await respondOnce(worker, body, key)).text()).toBe(first);
    const asJson = await (await respondOnce(worker, { ...body, stream: false }, key)).json();
    const frames = first.split("\n\n").map((frame) => frame.split("\ndata: ")[1] ?? "");
    const terminal = JSON.parse(frames.findLast((data) => data.includes("response.completed")) ?? "{}") as {
      response: unknown;
    };
    expect(asJson).toEqual(terminal.response);
    expect(await calls(body.input)).toBe(1);
  });

  test.each([
    ["an answer in one piece", "emulate/json-for-stream"],
    ["an id that changes in the stream", "emulate/id-changes"],
    ["no id", "emulate/no-id"],
    ["split characters", "emulate/unicode"],
    ["a refusal", "emulate/refusal"],
    ["an event of 300,000 bytes", "emulate/too-large/300000"],
  ])("gives equal answers with an upstream that sends %s", async (_name, model) => {
    const worker = startWorker();
    const body = { input: uniqueText(), model };
    const key = freshKey();
    const answers = [];
    for (const headers of [EVENTS, {}, EVENTS] as HeaderTable[])
      answers.push(await readAnswer(await worker.ask(body, { ...key, ...headers })));
    await worker.settled();
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
    expect(await calls(body.input)).toBe(1);
    expect(await (await worker.get(`/ask/${answers[0]?.id}`)).json()).toEqual(answers[0]);
    const { sizes } = await storedRecordingOf(await runOf(key));
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1_048_576);
  });

  test("is refused with a different request: another input, another field or another route", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "gpt-6-sol" };
    const key = freshKey();
    await worker.answer(body, key);
    for (const twin of [
      () => worker.ask({ ...body, input: `${body.input}!` }, key),
      () => worker.ask({ ...body, temperature: 0.5 }, { ...key, ...EVENTS }),
      () => worker.ask({ ...body, input: `${body.input}!` }, { ...key, "last-event-id": "00-1" }),
      () => respondOnce(worker, body, key),
    ]) {
      const response = await twin();
      expect([response.status, (await problemOf(response)).code]).toEqual([422, "idempotency_key_reused"]);
    }
    expect(await calls(body.input)).toBe(1);
  });

  test("belongs to the same request in any order of JSON keys and any form", async () => {
    const worker = startWorker();
    const input = uniqueText();
    const key = freshKey();
    const { id } = await worker.answer({ input, metadata: { a: "1", b: "2" } }, key);
    expect(await worker.answer({ metadata: { b: "2", a: "1" }, input, stream: false }, key)).toMatchObject({ id });
    const plain = uniqueText();
    const form = freshKey();
    const first = await worker.answer({ input: plain }, form);
    const again = await worker.send("/ask?stream=false", {
      method: "POST",
      body: plain,
      headers: { ...form, "content-type": "text/plain" },
    });
    expect(await again.json()).toEqual(first);
  });

  test("of another owner is a different key", async () => {
    const worker = startWorker({}, { SERVER_KEYS });
    const key = freshKey();
    const input = uniqueText();
    const ids = [];
    for (const name of [KEYS.alice, KEYS.alice2, KEYS.bob])
      ids.push((await worker.answer({ input, cache: false }, { ...key, ...as(name) })).id);
    expect(ids[1]).toBe(ids[0]);
    expect(ids[2]).not.toBe(ids[0]);
    expect(await calls(input)).toBe(2);
  });

  test.each(["", "a".repeat(256), "schlüssel", "tab\tin it", "\u0001"])("is not accepted: %j", async (given) => {
    const input = uniqueText();
    let response: Response;
    try {
      response = await startWorker().ask({ input }, { "idempotency-key": given });
    } catch {
      // fetch itself refuses such a header.
      return;
    }
    expect(await problemOf(response)).toMatchObject({ code: "invalid_request", param: "Idempotency-Key" });
    expect(await calls(input)).toBe(0);
  });

  test("may have 255 characters, spaces and quotes", async () => {
    const worker = startWorker();
    const input = uniqueText();
    for (const key of ["a".repeat(255), `"${crypto.randomUUID()}" ~ x`])
      await worker.answer({ input }, { "idempotency-key": key });
  });
});

describe("one run is counted once", () => {
  test("tokens, cost, turn and cache entry belong to the request that started it", async () => {
    const worker = startWorker();
    const body = { input: uniqueText() };
    const key = freshKey();
    const answers = await Promise.all([worker.ask(body, key), worker.ask(body, key)]);
    const [first] = await Promise.all(answers.map(readAnswer));
    await readAnswer(await worker.ask(body, key));
    await worker.settled();
    const tokens = log.requests().filter(({ input_tokens }) => input_tokens !== undefined);
    expect(tokens).toMatchObject([{ run: "started", upstream_called: true, cache: "miss", response_id: first?.id }]);
    expect(log.requests().map(({ response_id }) => response_id)).toEqual([first?.id, first?.id, first?.id]);
    expect(await kvKeys("turn:")).toHaveLength(1);
    expect(await kvKeys("answer:")).toHaveLength(1);
    expect(await worker.answer(body)).toEqual({ ...first, cached: true });
    expect(await worker.answer({ input: uniqueText(), previous_response_id: first?.id })).toMatchObject({
      previous_response_id: first?.id,
    });
  });

  test("a budget is held and settled once, and released if nothing was paid", async () => {
    const id = crypto.randomUUID();
    const key = "pk_run_0123456789abcdef";
    const worker = startWorker({
      presets: { chat: { max_output_tokens: 100, allow: ["model"] } },
      callers: { publishable: [{ id, key, presets: ["chat"], total: { tokens_per_day: 1_000 } }] },
    });
    const usageOfDay = async (): Promise<object | undefined> =>
      (await env.BUDGETS.getByName(`total:publishable:${id}`).usage(Date.now())).days[0];
    const body = { input: uniqueText() };
    const once = { ...as(key), ...freshKey() };
    const answers = await Promise.all(Array.from({ length: 5 }, () => worker.ask(body, once)));
    const [answer] = await Promise.all(answers.map(readAnswer));
    await vi.waitFor(
      async () =>
        expect(await usageOfDay()).toMatchObject({ tokens: answer?.usage?.total_tokens, held: 0, requests: 5 }),
      {
        timeout: 10_000,
      },
    );
    const refused = await worker.ask({ input: uniqueText(), model: "emulate/503" }, { ...as(key), ...freshKey() });
    expect(refused.status).toBe(503);
    await vi.waitFor(
      async () => expect(await usageOfDay()).toMatchObject({ tokens: answer?.usage?.total_tokens, held: 0 }),
      {
        timeout: 10_000,
      },
    );
    expect(await calls(body.input)).toBe(1);
  });

  test("a run that is answered from the cache makes no upstream call, and repeats that answer", async () => {
    const worker = startWorker();
    const body = { input: uniqueText() };
    const cachedAnswer = await worker.answer(body);
    const key = freshKey();
    for (const _ of [1, 2]) expect(await worker.answer(body, key)).toEqual({ ...cachedAnswer, cached: true });
    expect(await calls(body.input)).toBe(1);
  });

  test("hours later, a repeat shows the answer's age at that time and its ttl, in every form", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const worker = startWorker();
    const body = { input: uniqueText() };
    await worker.answer(body);
    const key = freshKey();
    const freshness = async (headers: HeaderTable): Promise<unknown> => {
      const response = await worker.ask(body, { ...key, ...headers });
      await response.text();
      return [response.headers.get("cache-status"), response.headers.get("age")];
    };
    vi.advanceTimersByTime(600_000);
    expect(await freshness({})).toEqual(["uniapi-edge; hit; ttl=3000", "600"]);
    vi.advanceTimersByTime(7_200_000);
    await evictDurableObject(await runOf(key));
    for (const form of [{}, EVENTS, TEXT])
      expect(await freshness(form)).toEqual(["uniapi-edge; hit; ttl=-4200", "7800"]);
    expect(await calls(body.input)).toBe(1);
  });

  test("an answer that must not be stored is in the run's recording only", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), store: false };
    const key = { ...freshKey(), "cache-control": "no-store" };
    const first = await worker.answer(body, key);
    expect(await worker.answer(body, key)).toEqual(first);
    expect(await kvKeys("")).toEqual([]);
    expect(await calls(body.input)).toBe(1);
  });
});

describe("the outcome of a run", () => {
  test.each([
    ["429", 429],
    ["503", 503],
    ["400", 400],
    ["401", 502],
    ["402", 502],
    ["521", 503],
    ["heartbeat-error", 429],
  ])(
    "is not stored for emulate/%s, which is unpaid: concurrent requests share one refusal, and the next request makes a new call",
    async (fault, status) => {
      const worker = startWorker();
      const body = { input: uniqueText(), model: `emulate/${fault}` };
      const key = freshKey();
      const responses = await Promise.all([
        worker.ask(body, key),
        worker.ask(body, { ...key, ...EVENTS }),
        worker.ask(body, { ...key, ...TEXT }),
      ]);
      expect(responses.map((one) => one.status)).toEqual([status, status, status]);
      await Promise.all(responses.map(problemOf));
      expect(await calls(body.input)).toBe(1);
      expect((await worker.ask(body, key)).status).toBe(status);
      expect(await calls(body.input)).toBe(2);
      // The key can be used for another request now.
      expect((await worker.ask({ input: body.input }, key)).status).toBe(200);
    },
  );

  test("can be a success after a refusal, with the same key", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "emulate/503-once/30" };
    const key = freshKey();
    expect((await worker.ask(body, key)).status).toBe(503);
    const answer = await worker.answer(body, key);
    expect(await worker.answer(body, key)).toEqual(answer);
    expect(await calls(body.input)).toBe(2);
  });

  test.each([
    ["500", 502, "upstream_error"],
    ["520", 502, "upstream_error"],
    ["reset-before-headers", 502, "upstream_error"],
    ["cut", 502, "upstream_error"],
    ["reset", 502, "upstream_error"],
    ["failed", 502, "upstream_error"],
    ["not-json", 502, "upstream_invalid_response"],
    ["invalid-utf8", 502, "upstream_invalid_response"],
  ])("is stored and repeated for emulate/%s, which may have been paid", async (fault, status, code) => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: `emulate/${fault}` };
    const key = freshKey();
    for (const _ of [1, 2]) {
      const response = await worker.ask(body, key);
      expect([response.status, response.headers.get("x-should-retry")]).toEqual([status, "false"]);
      expect((await problemOf(response)).code).toBe(code);
      await evictDurableObject(await runOf(key));
    }
    const streamed = await worker.ask(body, { ...key, ...EVENTS });
    expect(await streamed.text()).toContain(`"code":"${code}"`);
    expect(await calls(body.input)).toBe(1);
    expect(await kvKeys("")).toEqual([]);
  });

  test("is not stored for a pause or an invalid request", async () => {
    const input = uniqueText();
    const key = freshKey();
    expect((await startWorker({}, { PAUSED: "1" }).ask({ input }, key)).status).toBe(503);
    expect((await startWorker().ask({ input, nonsense: 1 }, key)).status).toBe(400);
    expect((await startWorker().ask({ input, previous_response_id: "resp_ue1_AAAA" }, key)).status).toBe(400);
    await startWorker().answer({ input }, key);
    expect((await startWorker({}, { PAUSED: "1" }).ask({ input }, key)).status).toBe(503);
  });

  test("is stored for a day, and then deleted completely", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), cache: false };
    const key = freshKey();
    await worker.answer(body, key);
    const run = await runOf(key);
    const { alarm, text } = await storedRecordingOf(run);
    expect(text).toContain("You said");
    expect(Math.abs((alarm ?? 0) - Date.now() - 86_400_000)).toBeLessThan(60_000);
    expect(await runDurableObjectAlarm(run)).toBe(true);
    expect(await storedRecordingOf(run)).toEqual({ sizes: [], text: "", alarm: null });
    await worker.answer(body, key);
    expect(await calls(body.input)).toBe(2);
  });

  test("is not deleted while a client reads it", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "emulate/long/2000" };
    const key = freshKey();
    await (await worker.ask(body, key)).text();
    const reader = (await worker.ask(body, { ...key, ...EVENTS })).body?.getReader();
    let streamText = new TextDecoder().decode((await reader?.read())?.value);
    expect(await runDurableObjectAlarm(await runOf(key))).toBe(true);
    for (let piece = await reader?.read(); piece?.done === false; piece = await reader?.read())
      streamText += new TextDecoder().decode(piece.value);
    expect(namesOf(eventsIn(streamText)).at(-1)).toBe("done");
    expect(await runDurableObjectAlarm(await runOf(key))).toBe(true);
    expect((await storedRecordingOf(await runOf(key))).alarm).toBeNull();
  });

  test("is deleted once a stalled reader has disconnected", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "emulate/long/3000" };
    const key = freshKey();
    await (await worker.ask(body, key)).text();
    const openStalled = await worker.ask(body, { ...key, ...EVENTS });
    const run = await runOf(key);
    expect(await runDurableObjectAlarm(run)).toBe(true);
    expect((await storedRecordingOf(run)).sizes.length).toBeGreaterThan(1);
    await openStalled.body?.cancel();
    await vi.waitFor(
      async () => {
        await runDurableObjectAlarm(run);
        expect(await storedRecordingOf(run)).toEqual({ sizes: [], text: "", alarm: null });
      },
      { timeout: 10_000 },
    );
  });

  test("survives an alarm during its call", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "emulate/first-byte/1200" };
    const key = freshKey();
    const pendingResponse = worker.ask(body, key);
    await vi.waitFor(async () => expect(await calls(body.input)).toBe(1), { timeout: 10_000 });
    expect(await runDurableObjectAlarm(await runOf(key))).toBe(true);
    expect(await (await pendingResponse).json()).toEqual(await worker.answer(body, key));
    expect((await storedRecordingOf(await runOf(key))).alarm).not.toBeNull();
  });
});

describe("clients that disconnect", () => {
  test("a client that disconnects doesn't end the call: the next client gets the answer, and the log gets the cost", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "emulate/slow/40" };
    const key = freshKey();
    for (const headers of [EVENTS, EVENTS]) {
      const reader = (await worker.ask(body, { ...key, ...headers })).body?.getReader();
      await reader?.read();
      await reader?.cancel();
    }
    await expectUpstreamEnd(body.input, "complete");
    const startedLine = (): Record<string, unknown> | undefined => log.requests().find(({ run }) => run === "started");
    const ownLines = (): object[] =>
      log.lines().filter((line) => line["event"] === "run" && line["request_id"] === startedLine()?.["request_id"]);
    await vi.waitFor(() => expect(ownLines()).toHaveLength(1), { timeout: 10_000 });
    const answer = await worker.answer(body, key);
    expect(answer.text).toBe(`You said: "${body.input}".`);
    expect(await calls(body.input)).toBe(1);
    expect(ownLines()).toMatchObject([{ response_id: answer.id, input_tokens: expect.any(Number) as number }]);
    expect(startedLine()).toMatchObject({ reason: "client_left" });
    expect(log.requests().every((one) => one["input_tokens"] === undefined)).toBe(true);
  });

  test("a client that disconnects before upstream's first event doesn't end the call, either", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "emulate/first-byte/300" };
    const key = freshKey();
    const disconnect = new AbortController();
    const raw = JSON.stringify(body);
    const pendingResponse = worker.send("/ask", {
      method: "POST",
      body: raw,
      headers: { "content-type": "application/json", ...key },
      signal: disconnect.signal,
    });
    await vi.waitFor(async () => expect(await calls(body.input)).toBe(1), { timeout: 10_000 });
    disconnect.abort();
    await pendingResponse.catch(() => undefined);
    expect((await worker.answer(body, key)).text).toContain(body.input);
    expect(await calls(body.input)).toBe(1);
  });

  test("a client that comes back gets the running stream from its first event", async () => {
    const worker = startWorker();
    const body = { input: uniqueText("one two three four five six seven"), model: "emulate/slow/60" };
    const key = freshKey();
    const first = await worker.ask(body, { ...key, ...EVENTS });
    const reader = first.body?.getReader();
    let streamText = "";
    while (!streamText.includes("event: text")) streamText += new TextDecoder().decode((await reader?.read())?.value);
    const late = eventsIn(await (await worker.ask(body, { ...key, ...EVENTS })).text());
    for (let piece = await reader?.read(); piece?.done === false; piece = await reader?.read())
      streamText += new TextDecoder().decode(piece.value);
    expect(late.map(({ id }) => id)).toEqual(eventsIn(streamText).map(({ id }) => id));
    expect(late.slice(1)).toEqual(eventsIn(streamText).slice(1));
  });
});

describe("a run's object", () => {
  const openStalled = async (worker: WorkerUnderTest, body: object, key: HeaderTable): Promise<Response> => {
    const response = await worker.ask(body, { ...key, ...EVENTS });
    await vi.waitFor(async () => expect((await storedRecordingOf(await runOf(key))).sizes.length).toBeGreaterThan(0), {
      timeout: 10_000,
    });
    return response;
  };

  test("an object that stops during the call reports a failure to current and later readers, evicted or not, and makes no second call", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "emulate/stall" };
    const key = freshKey();
    const openStream = await openStalled(worker, body, key);
    const json = worker.ask(body, key);
    await runInDurableObject(await runOf(key), (_, state) => state.abort("broken by a test")).catch(() => undefined);
    const streamText = eventsIn(await openStream.text());
    expect(namesOf(streamText)).toEqual(["start", "text", "text", "error"]);
    expect(streamText.at(-1)?.data).toMatchObject({ error: { code: "upstream_error" } });
    const responses = [await json, await worker.ask(body, key)];
    await evictDurableObject(await runOf(key));
    responses.push(await worker.ask(body, key), await respondOnce(worker, body, key));
    expect(responses.map(({ status }) => status)).toEqual([502, 502, 502, 422]);
    expect(responses.map(({ headers }) => headers.get("x-should-retry"))).toEqual(["false", "false", "false", null]);
    const again = eventsIn(await (await worker.ask(body, { ...key, ...EVENTS })).text());
    expect(again.slice(1)).toMatchObject(streamText.slice(1).map(({ id, event }) => ({ id, event })));
    expect(await calls(body.input)).toBe(1);
    expect((await storedRecordingOf(await runOf(key))).alarm).not.toBeNull();
    expect(await kvKeys("")).toEqual([]);
  });

  test("an object that stops on /v1/responses sends the stored events and an error event, and breaks the body", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "emulate/stall", stream: true };
    const key = freshKey();
    const openStream = await respondOnce(worker, body, key);
    await vi.waitFor(async () => expect((await storedRecordingOf(await runOf(key))).sizes.length).toBeGreaterThan(0), {
      timeout: 10_000,
    });
    await abortAllDurableObjects();
    for (const response of [openStream, await respondOnce(worker, body, key)]) {
      const reader = response.body?.getReader();
      let streamText = "";
      const readAll = async (): Promise<void> => {
        for (let piece = await reader?.read(); piece?.done === false; piece = await reader?.read())
          streamText += new TextDecoder().decode(piece.value);
      };
      await expect(readAll()).rejects.toThrow();
      expect(streamText).toMatch(/^event: response.created\n/);
      expect(streamText).toContain('event: error\ndata: {"type":"error"');
      expect(streamText).not.toContain("[DONE]");
    }
    expect(await calls(body.input)).toBe(1);
  });

  test("an object that stops before it has stored the events that it sent ends the stream with an error, and stores the failure", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "emulate/stall" };
    const key = freshKey();
    const openStream = (await worker.ask(body, { ...key, ...EVENTS })).body?.getReader();
    let streamText = "";
    while (!streamText.includes("event: text"))
      streamText += new TextDecoder().decode((await openStream?.read())?.value);
    await runInDurableObject(await runOf(key), (_, state) => state.abort("broken by a test")).catch(() => undefined);
    for (let piece = await openStream?.read(); piece?.done === false; piece = await openStream?.read())
      streamText += new TextDecoder().decode(piece.value);
    expect(namesOf(eventsIn(streamText)).slice(-2)).toEqual(["text", "error"]);
    expect(eventsIn(streamText).at(-1)?.data).toMatchObject({ error: { code: "upstream_error" } });
    const again = await worker.ask(body, key);
    expect([again.status, again.headers.get("x-should-retry")]).toEqual([502, "false"]);
    expect(await calls(body.input)).toBe(1);
  });

  test("an object that stops before upstream's first event reports that the call may have been paid", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "emulate/first-byte/20000" };
    const key = freshKey();
    const pendingResponse = worker.ask(body, key);
    await vi.waitFor(async () => expect(await calls(body.input)).toBe(1), { timeout: 10_000 });
    await runInDurableObject(await runOf(key), (_, state) => state.abort("broken by a test")).catch(() => undefined);
    for (const response of [await pendingResponse, await worker.ask(body, key)]) {
      expect([response.status, response.headers.get("x-should-retry")]).toEqual([502, "false"]);
      expect((await problemOf(response)).message).toContain("a new Idempotency-Key");
    }
    await expectUpstreamEnd(body.input, "client_left");
  });

  test("an object without a recording stores nothing when it is read", async () => {
    const key = freshKey();
    const response = await startWorker().ask({ input: uniqueText() }, { ...key, "last-event-id": "0123456789ab-3" });
    expect(response.status).toBe(409);
    expect(await storedRecordingOf(await runOf(key))).toEqual({ sizes: [], text: "", alarm: null });
  });

  test("an object whose storage fails returns its answer until it is evicted, and a failure after that", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "emulate/first-byte/1200" };
    const key = freshKey();
    const first = worker.ask(body, key);
    await vi.waitFor(async () => expect(await calls(body.input)).toBe(1), { timeout: 10_000 });
    await runInDurableObject(await runOf(key), (_, { storage }) => {
      vi.spyOn(storage, "transactionSync").mockImplementation(() => {
        throw new Error("disk full");
      });
    });
    const answer = await readAnswer(await first);
    expect(await readAnswer(await worker.ask(body, { ...key, ...EVENTS }))).toEqual(answer);
    expect(log.warnings()).toContainEqual({ level: "warn", event: "run_not_written", error: "Error" });
    await evictDurableObject(await runOf(key));
    expect((await worker.ask(body, key)).status).toBe(502);
    expect(await calls(body.input)).toBe(1);
  });

  test("an object whose storage fails does not try to write again for each new line", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "emulate/long/3000" };
    const key = freshKey();
    await runInDurableObject(await runOf(key), (_, { storage }) => {
      vi.spyOn(storage, "transactionSync").mockImplementation(() => {
        throw new Error("disk full");
      });
    });
    const answer = await worker.ask(body, key);
    expect((await answer.json<{ text: string }>()).text.split(" ").length).toBeGreaterThan(2_900);
    expect(log.warnings().filter(({ event }) => event === "run_not_written").length).toBeLessThan(10);
  });

  test("a run belongs to the implied preset, so with a narrower token the same body is a different request", async () => {
    const worker = startWorker(
      { presets: { vip: { model: "gpt-6-sol" }, basic: {} }, callers: { sessions: { presets: ["vip", "basic"] } } },
      { SESSION_KEYS },
    );
    const body = { input: uniqueText() };
    const key = freshKey();
    const token = (presets: string[]): HeaderTable => as(hs256(claimsOf("ada", { presets })));
    expect((await worker.answer(body, { ...key, ...token(["vip"]) })).model).toContain("gpt-6-sol");
    const other = await worker.ask(body, { ...key, ...token(["basic"]) });
    expect([other.status, (await problemOf(other)).code]).toEqual([422, "idempotency_key_reused"]);
  });

  test("a run whose first call may have been paid is stored, even if the budget does not allow a second call", async () => {
    const worker = startWorker(
      {
        cache: false,
        presets: { chat: { model: "emulate/ignores-chain", max_output_tokens: 100 } },
        callers: { sessions: { presets: ["chat"], per_user: { tokens_per_day: 100_000 } } },
      },
      { SESSION_KEYS },
    );
    const user = as(hs256(claimsOf(crypto.randomUUID())));
    const { id } = await worker.answer({ input: uniqueText() }, user);
    const body = { input: uniqueText(), previous_response_id: id };
    const key = freshKey();
    const run = await runOf(
      key,
      `session:${(JSON.parse(atob(user["authorization"]?.split(".")[1] ?? "")) as { sub: string }).sub}`,
    );
    await runInDurableObject(run, (object) => {
      const own = object as unknown as { env: Env };
      let holdCalls = 0;
      const BUDGETS = {
        getByName: (name: string) => {
          const stub = env.BUDGETS.getByName(name);
          return {
            hold: (...args: Parameters<typeof stub.hold>) =>
              (holdCalls += 1) === 1 ? stub.hold(...args) : Promise.reject(new Error("away")),
            settle: (...args: Parameters<typeof stub.settle>) => stub.settle(...args),
            count: (...args: Parameters<typeof stub.count>) => stub.count(...args),
          };
        },
      };
      Object.defineProperty(own, "env", { value: { ...own.env, BUDGETS } });
    });
    for (const _ of [1, 2]) {
      const response = await worker.ask(body, { ...key, ...user });
      expect([response.status, response.headers.get("x-should-retry")]).toEqual([503, "false"]);
      expect((await problemOf(response)).message).toContain("may have been billed");
    }
    expect(await calls(body.input)).toBe(1);
  });

  test("a reader whose connection broke gets the end of an unpaid run, without another upstream call", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "emulate/503" };
    const key = freshKey();
    let joins = 0;
    const RUNS = {
      getByName: (name: string) => ({
        async join(request: never) {
          joins += 1;
          const joined = await env.RUNS.getByName(name).join(request);
          if (!("stream" in joined) || joins > 1) return joined;
          await new Response(joined.stream).arrayBuffer();
          const stream = new ReadableStream<Uint8Array>({
            pull: (controller) => controller.error(new Error("Network connection lost.")),
          });
          return { role: joined.role, run: joined.run, from: joined.from, stream };
        },
      }),
    };
    const response = await startWorker({}, { RUNS }).ask(body, key);
    expect(response.status).toBeGreaterThanOrEqual(502);
    expect([joins, await calls(body.input)]).toEqual([2, 1]);
    await worker.settled();
  });

  test("a JSON answer has `stored` in its Cache-Status, as without a key", async () => {
    const response = await startWorker().ask({ input: uniqueText() }, freshKey());
    expect(response.headers.get("cache-status")).toBe("uniapi-edge; fwd=miss; stored");
  });

  test("requests without a key use no run", async () => {
    const RUNS = new Proxy({}, { get: () => expect.fail("a run was requested") });
    const worker = startWorker({}, { RUNS });
    for (const headers of [{}, EVENTS, TEXT])
      expect((await worker.ask({ input: uniqueText() }, headers)).status).toBe(200);
    for (const stream of [true, false])
      expect((await respondOnce(worker, { input: uniqueText(), stream }, {})).status).toBe(200);
    await worker.settled();
  });

  test("an object stores neither key nor secret in clear text", async () => {
    const worker = startWorker({}, { SERVER_KEYS });
    const key = freshKey();
    await worker.answer({ input: uniqueText() }, { ...key, ...as(KEYS.alice) });
    const { text } = await storedRecordingOf(await runOf(key, "server:alice"));
    expect(text).toContain("You said");
    for (const secret of [key["idempotency-key"] ?? "", UPSTREAM_KEY, KEYS.alice]) expect(text).not.toContain(secret);
    expect(JSON.stringify(log.lines())).not.toContain(key["idempotency-key"]);
  });

  test("without the RUNS binding, only requests with a key fail", async () => {
    const worker = startWorker({}, { RUNS: undefined });
    const input = uniqueText();
    await worker.answer({ input });
    const response = await worker.ask({ input }, freshKey());
    expect([response.status, (await problemOf(response)).code]).toEqual([503, "misconfigured"]);
  });

  test("an object that does not answer causes a 503, and the same key can be sent again safely", async () => {
    const key = freshKey();
    const body = { input: uniqueText() };
    let broken = 1;
    const RUNS = {
      getByName: (name: string) =>
        broken-- > 0 ? { join: () => Promise.reject(new Error("sk-canary")) } : env.RUNS.getByName(name),
    };
    const worker = startWorker({}, { RUNS });
    const response = await worker.ask(body, key);
    expect([response.status, response.headers.get("retry-after"), response.headers.get("x-should-retry")]).toEqual([
      503,
      "2",
      null,
    ]);
    expect((await problemOf(response)).code).toBe("unavailable");
    expect((await worker.answer(body, key)).text).toContain(body.input);
    expect(log.warnings()).toMatchObject([{ event: "run_unreachable", error: "Error" }]);
  });
});

vi.setConfig({ testTimeout: 30_000 });
