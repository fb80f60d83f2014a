// The exact-repeat cache over HTTP: which requests share an entry, the settings of a request, and which answers are stored.
import type { Answer } from "../../src/contract/answer.ts";
import { env } from "cloudflare:workers";
import { describe, expect, test, vi } from "vitest";
import type { ConfigInput } from "../../src/core/config/define-config.ts";
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
  problemOf,
  SERVER_KEYS,
  startWorker,
  TEXT,
  type WorkerUnderTest,
} from "./worker.ts";

eachTestAlone();

interface ReplyParts {
  text: string;
  id: string;
  headers: Headers;
  /** The complete answer, if the form shows it. */
  answer?: Answer;
}

async function readReply(worker: WorkerUnderTest, body: object, headers: HeaderTable = {}): Promise<ReplyParts> {
  const response = await worker.ask(body, headers);
  expect(response.status).toBe(200);
  const bodyText = await response.text();
  await worker.settled();
  const type = response.headers.get("content-type") ?? "";
  if (type.startsWith("text/plain"))
    return { text: bodyText, id: response.headers.get("x-response-id") ?? "", headers: response.headers };
  const events = type.startsWith("text/event-stream") ? eventsIn(bodyText) : undefined;
  const answer = (events === undefined ? JSON.parse(bodyText) : events.at(-1)?.data) as Answer;
  return {
    text: events === undefined ? answer.text : joinDeltas(events, "text"),
    id: answer.id,
    headers: response.headers,
    answer,
  };
}

const FORMS: Record<string, (worker: WorkerUnderTest, body: object, headers?: HeaderTable) => Promise<ReplyParts>> = {
  JSON: (worker, body, headers) => readReply(worker, body, headers),
  text: (worker, body, headers) => readReply(worker, body, { ...headers, ...TEXT }),
  "event stream": (worker, body, headers) => readReply(worker, body, { ...headers, ...EVENTS }),
  "text stream": (worker, body, headers) => readReply(worker, { ...body, stream: true }, { ...headers, ...TEXT }),
};

const cacheStatus = ({ headers }: ReplyParts): string | null => headers.get("cache-status");

describe("exact repeats", () => {
  const pairs = Object.keys(FORMS).flatMap((first) => Object.keys(FORMS).map((second) => [first, second] as const));
  test.each(pairs)("an answer as %s is repeated as %s without an upstream call", async (first, second) => {
    const worker = startWorker();
    const input = uniqueText();
    const original = await FORMS[first]?.(worker, { input });
    const repeated = await FORMS[second]?.(worker, { input });
    expect(repeated).toMatchObject({ text: original?.text, id: original?.id });
    expect(await calls(input)).toBe(1);
    expect(original?.headers.get("cache-status")).toBe(
      `uniapi-edge; fwd=miss${first.endsWith("stream") ? "" : "; stored"}`,
    );
    expect(original?.headers.get("age")).toBeNull();
    expect(repeated?.headers.get("cache-status")).toMatch(/^uniapi-edge; hit; ttl=3(?:600|59\d)$/);
    expect(repeated?.headers.get("age")).toMatch(/^\d$/);
    for (const one of [original, repeated]) expect(one?.headers.get("cache-control")).toBe("no-store");
    if (repeated?.answer !== undefined) expect(repeated.answer.cached).toBe(true);
    if (original?.answer !== undefined && repeated?.answer !== undefined) {
      expect(repeated.answer).toEqual({ ...original.answer, cached: true });
    }
  });

  test.each(pairs)("a follow-up answered as %s is repeated as %s", async (first, second) => {
    const worker = startWorker();
    const root = await worker.answer({ input: uniqueText("root") });
    const body = { input: uniqueText("more"), previous_response_id: root.id };
    const original = await FORMS[first]?.(worker, body);
    const repeated = await FORMS[second]?.(worker, body);
    expect(repeated).toMatchObject({ text: original?.text, id: original?.id });
    expect(repeated?.headers.get("cache-status")).toContain("hit");
    expect(await calls(body.input)).toBe(1);
    // A hit can be continued like the answer that it repeats.
    const next = await worker.answer({ input: uniqueText("next"), previous_response_id: repeated?.id });
    expect(next.text).toContain(body.input);
  });

  test("the order of keys matters only in a schema", async () => {
    const worker = startWorker();
    const input = uniqueText();
    await worker.answer({ input, temperature: 0.5, metadata: { a: "1", b: "2" } });
    expect(await worker.answer({ metadata: { b: "2", a: "1" }, temperature: 0.5, input })).toMatchObject({
      cached: true,
    });
    const one = { type: "object", properties: { a: { type: "string" }, b: { type: "string" } } };
    const other = { type: "object", properties: { b: { type: "string" }, a: { type: "string" } } };
    await worker.answer({ input, schema: one });
    expect(await worker.answer({ input, schema: other })).not.toHaveProperty("cached");
  });

  test("a request with any other field value is a different request", async () => {
    const worker = startWorker({ presets: { terse: { instructions: "Be terse." } } });
    const input = uniqueText();
    await worker.answer({ input });
    const others = [
      { instructions: "Be kind." },
      { temperature: 0.1 },
      { metadata: { a: "1" } },
      { user: "someone" },
      { model: "gpt-6-sol" },
      { max_output_tokens: 999 },
      { reasoning: "low" },
      { preset: "terse" },
      { images: ["https://example.com/a.png"] },
      { truncation: "auto" },
    ];
    for (const other of others)
      expect(await worker.answer({ input, ...other }), JSON.stringify(other)).not.toHaveProperty("cached");
    expect(await calls(input)).toBe(1 + others.length);
  });

  test("siblings and children of other parents never collide", async () => {
    const worker = startWorker();
    const [a, b] = [await worker.answer({ input: uniqueText("a") }), await worker.answer({ input: uniqueText("b") })];
    const input = uniqueText("same");
    const root = await worker.answer({ input });
    const ofA = await worker.answer({ input, previous_response_id: a.id });
    const ofB = await worker.answer({ input, previous_response_id: b.id });
    const sibling = await worker.answer({ input: `${input}!`, previous_response_id: a.id });
    for (const original of [root, ofA, ofB, sibling]) expect(original).not.toHaveProperty("cached");
    expect(new Set([root.text, ofA.text, ofB.text, sibling.text]).size).toBe(4);
    expect(await worker.answer({ input, previous_response_id: a.id })).toEqual({ ...ofA, cached: true });
    expect(await worker.answer({ input, previous_response_id: b.id })).toEqual({ ...ofB, cached: true });
    expect(await worker.answer({ input })).toEqual({ ...root, cached: true });
  });

  test('a raw parent id "root" is not a root', async () => {
    const worker = startWorker();
    const input = uniqueText();
    await worker.answer({ input });
    const response = await worker.ask({ input, previous_response_id: "root" });
    expect(response.status).toBe(400);
    expect((await problemOf(response)).code).toBe("previous_response_not_found");
  });

  test("another owner never gets a hit, another key of the same owner does", async () => {
    const worker = startWorker({}, { SERVER_KEYS });
    const body = { input: uniqueText() };
    const original = await worker.answer(body, as(KEYS.alice));
    expect(await worker.answer(body, as(KEYS.alice2))).toEqual({ ...original, cached: true });
    const others = await worker.answer(body, as(KEYS.bob));
    expect(others).not.toHaveProperty("cached");
    expect(others.id).not.toBe(original.id);
    expect(await worker.answer(body)).not.toHaveProperty("cached");
    expect(await calls(body.input)).toBe(3);
  });

  test("another base URL, another id key or a disabled cache leads to a miss", async () => {
    const body = { input: uniqueText() };
    await startWorker().answer(body);
    expect(await startWorker().answer(body)).toHaveProperty("cached");
    const url = `${(await import("vitest")).inject("emulatorUrl").replace("127.0.0.1", "localhost")}/v1/`;
    expect(await startWorker({}, { UNIAPI_BASE_URL: url }).answer(body)).not.toHaveProperty("cached");
    expect(
      await startWorker({}, { ID_KEYS: btoa("another id key of thirty-2 bytes") }).answer(body),
    ).not.toHaveProperty("cached");
    const off = await readReply(startWorker({ cache: false }), body);
    expect([cacheStatus(off), off.answer?.cached]).toEqual(["uniapi-edge; fwd=bypass", undefined]);
  });

  test("a preset with cache: false neither reads nor writes the cache", async () => {
    const worker = startWorker({ presets: { fresh: { cache: false } } });
    const body = { input: uniqueText(), preset: "fresh" };
    expect(cacheStatus(await readReply(worker, body))).toBe("uniapi-edge; fwd=bypass");
    expect(cacheStatus(await readReply(worker, { ...body, cache: 600 }))).toBe("uniapi-edge; fwd=bypass");
    expect(await kvKeys("answer:")).toEqual([]);
  });
});

describe("a preset with a shared cache", () => {
  const config: ConfigInput = { presets: { faq: { instructions: "Answer.", cache: { ttl: 600, scope: "shared" } } } };

  test("gives another owner the answer under its own id, which only that owner can continue and read", async () => {
    const worker = startWorker(config, { SERVER_KEYS });
    for (const [at, form] of Object.values(FORMS).entries()) {
      const body = { input: uniqueText(`question ${at}`), preset: "faq" };
      const first = await form(worker, body, as(KEYS.alice));
      const second = await form(worker, body, as(KEYS.bob));
      expect(second.headers.get("cache-status")).toMatch(/hit; ttl=(?:600|59\d)$/);
      expect(second.text).toBe(first.text);
      expect(second.id).not.toBe(first.id);
      expect(await calls(body.input)).toBe(1);

      const next = uniqueText("next");
      expect((await worker.answer({ input: next, previous_response_id: second.id }, as(KEYS.bob))).text).toContain(
        body.input,
      );
      const mine = await worker.get(`/ask/${second.id}`, as(KEYS.bob));
      expect(await mine.json()).toMatchObject({ id: second.id, text: first.text });
      const foreign = uniqueText("foreign");
      for (const [key, id] of [
        [KEYS.bob, first.id],
        [KEYS.alice, second.id],
      ] as const) {
        expect((await worker.ask({ input: foreign, previous_response_id: id }, as(key))).status).toBe(400);
        expect((await worker.get(`/ask/${id}`, as(key))).status).toBe(404);
      }
      expect(await calls(foreign)).toBe(0);
    }
  });

  test("shares no follow-ups, and nothing with other presets", async () => {
    const worker = startWorker(
      { presets: { ...config.presets, faq2: { instructions: "Answer.", cache: { ttl: 600, scope: "shared" } } } },
      { SERVER_KEYS },
    );
    const body = { input: uniqueText(), preset: "faq" };
    await worker.answer(body, as(KEYS.alice));
    const own = await worker.answer(body, as(KEYS.bob));
    expect(own.cached).toBe(true);
    expect(await worker.answer({ ...body, preset: "faq2" }, as(KEYS.bob))).not.toHaveProperty("cached");
    const follow = { input: uniqueText(), preset: "faq", previous_response_id: own.id };
    expect(await worker.answer(follow, as(KEYS.bob))).not.toHaveProperty("cached");
    expect(await worker.answer(follow, as(KEYS.bob))).toHaveProperty("cached", true);
  });

  test("writes no turn with `turns: false`", async () => {
    const worker = startWorker({ ...config, turns: false }, { SERVER_KEYS });
    const body = { input: uniqueText(), preset: "faq" };
    await worker.answer(body, as(KEYS.alice));
    const { id } = await worker.answer(body, as(KEYS.bob));
    expect(await kvKeys("turn:")).toEqual([]);
    expect((await worker.answer({ input: uniqueText(), previous_response_id: id }, as(KEYS.bob))).text).toContain(
      body.input,
    );
  });

  test("gives another owner an answer whose upstream id is too long to sign, too", async () => {
    const worker = startWorker(
      { presets: { odd: { model: "emulate/long-id", cache: { ttl: 600, scope: "shared" } } } },
      { SERVER_KEYS },
    );
    const body = { input: uniqueText(), preset: "odd" };
    await worker.answer(body, as(KEYS.alice));
    const { id, cached } = await worker.answer(body, as(KEYS.bob));
    expect(cached).toBe(true);
    expect((await worker.answer({ input: uniqueText(), previous_response_id: id }, as(KEYS.bob))).text).toContain(
      body.input,
    );
  });
});

describe("a request's cache settings", () => {
  const AT = 1_790_000_000_000;
  const waitUntil = (seconds: number): void => void vi.setSystemTime(AT + seconds * 1_000);
  const freeze = (): void => {
    vi.useFakeTimers({ toFake: ["Date"] });
    waitUntil(0);
  };

  test("a hit shows its age and its ttl", async () => {
    freeze();
    const worker = startWorker({ cache: { ttl: 1_000 } });
    const body = { input: uniqueText() };
    await worker.answer(body);
    waitUntil(400);
    const hit = await readReply(worker, body);
    expect([cacheStatus(hit), hit.headers.get("age")]).toEqual(["uniapi-edge; hit; ttl=600", "400"]);
    waitUntil(1_000);
    expect(cacheStatus(await readReply(worker, body))).toBe("uniapi-edge; fwd=miss; stored");
    expect(await calls(body.input)).toBe(2);
  });

  test.each([
    ["cache: false", { cache: false }, {}],
    ["Cache-Control: no-store", {}, { "cache-control": "no-store" }],
  ])("%s neither reads nor writes the cache", async (_name, fields, headers) => {
    const worker = startWorker();
    const body = { input: uniqueText() };
    expect(cacheStatus(await readReply(worker, { ...body, ...fields }, headers))).toBe("uniapi-edge; fwd=bypass");
    expect(await kvKeys("answer:")).toEqual([]);
    await worker.answer(body);
    expect(cacheStatus(await readReply(worker, { ...body, ...fields }, headers))).toBe("uniapi-edge; fwd=bypass");
    expect(await calls(body.input)).toBe(3);
  });

  test.each([
    ['cache: "refresh"', { cache: "refresh" }, {}],
    ["Cache-Control: no-cache", {}, { "cache-control": "no-cache" }],
    ["Cache-Control: max-age=0", {}, { "cache-control": "max-age=0" }],
  ])("%s writes the cache without reading it", async (_name, fields, headers) => {
    const worker = startWorker();
    const body = { input: uniqueText() };
    const first = await worker.answer(body);
    const fresh = await readReply(worker, { ...body, ...fields }, headers);
    expect(cacheStatus(fresh)).toMatch(/^uniapi-edge; fwd=(?:request|miss); stored$/);
    expect(fresh.id).not.toBe(first.id);
    expect((await worker.answer(body)).id).toBe(fresh.id);
    expect(await calls(body.input)).toBe(2);
  });

  test.each([
    ["cache: 100", { cache: 100 }, {}],
    ["Cache-Control: max-age=100", {}, { "cache-control": "max-age=100" }],
  ])("%s accepts no older answer", async (_name, fields, headers) => {
    freeze();
    const worker = startWorker();
    const body = { input: uniqueText() };
    await worker.answer(body);
    waitUntil(40);
    const hit = await readReply(worker, { ...body, ...fields }, headers);
    expect([cacheStatus(hit), hit.headers.get("age")]).toEqual(["uniapi-edge; hit; ttl=60", "40"]);
    waitUntil(101);
    expect(cacheStatus(await readReply(worker, { ...body, ...fields }, headers))).toBe("uniapi-edge; fwd=miss; stored");
  });

  test("cache: N stores for N seconds, at least a minute", async () => {
    for (const [cache, storedSeconds] of [
      [5, 60],
      [7_200, 7_200],
    ] as const) {
      const worker = startWorker();
      await worker.answer({ input: uniqueText(), cache });
      const { keys } = await env.RESPONSES.list({ prefix: "answer:" });
      expect(keys[0]?.expiration).toBeGreaterThan(Date.now() / 1_000 + storedSeconds - 5);
      expect(keys[0]?.expiration).toBeLessThan(Date.now() / 1_000 + storedSeconds + 5);
      await env.RESPONSES.delete(keys[0]?.name ?? "");
    }
  });

  test("the field overrides the header, except for no-store", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), cache: 600 };
    await worker.answer(body);
    expect(await worker.answer(body, { "cache-control": "no-cache" })).toHaveProperty("cached", true);
    expect(await worker.answer(body, { "cache-control": "max-age=0" })).toHaveProperty("cached", true);
    expect(await worker.answer(body, { "cache-control": "no-store" })).not.toHaveProperty("cached");
  });
});

describe("which answers are cached", () => {
  test.each([
    ["an incomplete answer", { model: "emulate/incomplete" }, "fwd=miss"],
    [
      "a function call",
      { tools: [{ type: "function", name: "look", parameters: { type: "object", properties: {} } }] },
      "fwd=miss",
    ],
    ["an answer with a hosted tool", { tools: [{ type: "web_search" }] }, "fwd=bypass"],
    ["an answer with store: false", { store: false }, "fwd=bypass"],
  ])("%s is not cached", async (_name, fields, status) => {
    for (const form of Object.values(FORMS)) {
      const worker = startWorker();
      const body = { input: uniqueText(), ...fields };
      const original = await form(worker, body);
      expect(original.headers.get("cache-status")).toBe(`uniapi-edge; ${status}`);
      expect(await kvKeys("answer:")).toEqual([]);
      await form(worker, body);
      expect(await calls(body.input)).toBe(2);
    }
  });

  test("a failed answer is not cached", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "emulate/failed" };
    for (const headers of [{}, TEXT, EVENTS]) await (await worker.ask(body, headers)).text();
    await worker.settled();
    expect(await kvKeys("")).toEqual([]);
    expect(await calls(body.input)).toBe(3);
  });

  test("a refusal by the model is cached, and is repeated in every form", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "emulate/refusal" };
    const original = await worker.answer(body);
    expect(original).toMatchObject({ text: "", refusal: "I can't help with that." });
    expect(await worker.answer(body)).toEqual({ ...original, cached: true });
    expect(await (await worker.ask(body, TEXT)).text()).toBe(original.refusal);
    expect(joinDeltas(eventsIn(await (await worker.ask(body, EVENTS)).text()), "refusal")).toBe(original.refusal);
    expect(await (await worker.ask({ ...body, stream: true }, TEXT)).text()).toBe(original.refusal);
    expect(await calls(body.input)).toBe(1);
  });

  test("an answer too large for a record is not cached, and its Cache-Status lacks `stored`", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), model: "emulate/too-large/1100000" };
    const original = await readReply(worker, body);
    expect(original.text).toHaveLength(1_100_000);
    expect(await kvKeys("answer:")).toEqual([]);
    expect(cacheStatus(original)).toBe("uniapi-edge; fwd=miss");
  });
});
