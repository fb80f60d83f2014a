// Turns over HTTP: follow-ups, threads, turns that are not stored, and ids that were never issued to the caller.
import type { Answer } from "../../src/contract/answer.ts";
import { env } from "cloudflare:workers";
import { describe, expect, test, vi } from "vitest";
import { readYoungTurn, type Parent } from "../../src/answer/chain.ts";
import { isSignedId, signId } from "../../src/core/callers/ids.ts";
import { encodeTurn, ancestorsOf, type Turn, turnKey } from "../../src/core/turns/turn.ts";
import type { Deps } from "../../src/deps.ts";
import {
  as,
  calls,
  eachTestAlone,
  eventsIn,
  EVENTS,
  idKeys,
  KEYS,
  kvKeys,
  uniqueText,
  ownerNamed,
  problemOf,
  receivedRequests,
  SERVER_KEYS,
  startWorker,
  TEXT,
  type WorkerUnderTest,
} from "./worker.ts";

eachTestAlone();

interface Thread {
  turns: { input: unknown; answer: Answer }[];
}

async function threadOf(worker: WorkerUnderTest, id: string): Promise<Thread["turns"]> {
  const response = await worker.get(`/ask/${id}?thread=true`);
  expect(response.status).toBe(200);
  return (await response.json<Thread>()).turns;
}

/** Functions that ask in one form each and return the answer's id. */
const FORMS = {
  JSON: async (worker: WorkerUnderTest, body: object) => (await worker.answer(body)).id,
  text: async (worker: WorkerUnderTest, body: object) => {
    const response = await worker.ask(body, TEXT);
    await response.text();
    await worker.settled();
    return response.headers.get("x-response-id") ?? "";
  },
  "event stream": async (worker: WorkerUnderTest, body: object) => {
    const events = eventsIn(await (await worker.ask(body, EVENTS)).text());
    await worker.settled();
    return String(events.at(-1)?.data["id"]);
  },
  "text stream": async (worker: WorkerUnderTest, body: object) => FORMS.text(worker, { ...body, stream: true }),
};

describe("conversations", () => {
  test.each(Object.entries(FORMS))("a follow-up as %s knows the earlier turn", async (_name, askFor) => {
    const worker = startWorker();
    const first = uniqueText("first");
    const id = await askFor(worker, { input: first });
    expect(isSignedId(id)).toBe(true);
    const followed = await worker.answer({ input: uniqueText("second"), previous_response_id: id });
    expect(followed.text).toContain(first);
    expect(followed.previous_response_id).toBe(id);
  });

  test.each(Object.entries(FORMS))("an answer as %s is stored without instructions", async (_name, askFor) => {
    const worker = startWorker({ turns: { ttl: 86_400 } });
    const input = uniqueText();
    const id = await askFor(worker, { input, instructions: "Speak like a pirate, quietly." });
    const key = turnKey(await ownerNamed("anonymous:local"), id);
    expect(await kvKeys("turn:")).toEqual([key]);
    const text = (await env.RESPONSES.get(key)) ?? "";
    expect(text).not.toContain("pirate");
    expect(JSON.parse(text)).toMatchObject({
      v: 1,
      id,
      parent: null,
      ancestors: [],
      input,
      response: { status: "completed" },
    });
    const { keys } = await env.RESPONSES.list({ prefix: "turn:" });
    expect(keys[0]?.expiration).toBeCloseTo(Date.now() / 1_000 + 86_400, -2);
  });

  test.each(Object.entries(FORMS))("GET by id returns the answer that was given as %s", async (_name, askFor) => {
    const worker = startWorker({ prices: { "gpt-6-luna": { input: 1, output: 2 } } });
    const body = {
      input: uniqueText(),
      metadata: { order: "42" },
      schema: { type: "object", properties: { word: { type: "string" } } },
    };
    const id = await askFor(worker, body);
    const stored = await (await worker.get(`/ask/${id}`)).json<Answer>();
    const { cached, cost_usd, ...repeated } = await worker.answer(body);
    expect(cached).toBe(true);
    expect(cost_usd).toBe(0);
    expect(stored).toEqual({ ...repeated, cost_usd: stored.cost_usd });
    expect(stored).toMatchObject({ id, metadata: { order: "42" }, data: { word: expect.any(String) as string } });
    expect(stored.cost_usd).toBeGreaterThan(0);
  });

  test("GET by id equals the JSON answer, as JSON and as text", async () => {
    const worker = startWorker();
    const answer = await worker.answer({ input: uniqueText() });
    const stored = await worker.get(`/ask/${answer.id}`);
    expect(await stored.json()).toEqual(answer);
    expect(stored.headers.get("cache-control")).toBe("no-store");
    const text = await worker.get(`/ask/${answer.id}`, TEXT);
    expect(await text.text()).toBe(answer.text);
    expect(text.headers.get("x-response-id")).toBe(answer.id);
    expect(text.headers.get("x-response-status")).toBe("completed");
  });

  test("a conversation longer than its preset allows is refused before upstream is called", async () => {
    const worker = startWorker({ presets: { short: { max_turns: 2 } } });
    const first = await worker.answer({ input: uniqueText(), preset: "short" });
    const second = await worker.answer({ input: uniqueText(), preset: "short", previous_response_id: first.id });
    const third = uniqueText();
    const response = await worker.ask({ input: third, preset: "short", previous_response_id: second.id });
    expect(response.status).toBe(400);
    expect(await problemOf(response)).toMatchObject({ code: "conversation_too_long", param: "previous_response_id" });
    expect(await calls(third)).toBe(0);
  });
});

describe("turns that are not stored", () => {
  test.each([
    ["store: false", { store: false }, {}, {}],
    ["Cache-Control: no-store", {}, { "cache-control": "no-store" }, {}],
    ["turns: false in the config", {}, {}, { turns: false as const }],
  ])("with %s there is an answer, and no turn is written", async (_name, fields, headers, config) => {
    for (const form of [{}, EVENTS, TEXT, { ...TEXT, stream: true }]) {
      const { stream, ...accept } = { stream: undefined, ...form };
      const worker = startWorker(config);
      const input = uniqueText();
      const response = await worker.ask({ input, stream, ...fields }, { ...accept, ...headers });
      expect(response.status).toBe(200);
      expect(await response.text()).toContain(input);
      await worker.settled();
      expect(await kvKeys("turn:")).toEqual([]);
    }
  });

  test("with `turns: false`, a follow-up relies on upstream's history", async () => {
    const worker = startWorker({ turns: false });
    for (const askFor of Object.values(FORMS)) {
      const first = uniqueText();
      const id = await askFor(worker, { input: first });
      expect((await worker.answer({ input: uniqueText(), previous_response_id: id })).text).toContain(first);
    }
  });

  test("a failed response is returned as an error, and no turn is stored", async () => {
    const worker = startWorker();
    const response = await worker.ask({ input: uniqueText(), model: "emulate/failed" });
    expect(response.status).toBe(502);
    expect(response.headers.get("x-should-retry")).toBe("false");
    expect((await problemOf(response)).code).toBe("upstream_error");
    await worker.settled();
    expect(await kvKeys("")).toEqual([]);
  });
});

describe("threads", () => {
  test("?thread=true returns all turns from the root to the id", async () => {
    const worker = startWorker();
    const inputs = [uniqueText("one"), uniqueText("two"), uniqueText("three")];
    const answers: Answer[] = [];
    for (const input of inputs) answers.push(await worker.answer({ input, previous_response_id: answers.at(-1)?.id }));
    const [root, middle, last] = answers as [Answer, Answer, Answer];
    expect(await threadOf(worker, last.id)).toEqual(answers.map((answer, at) => ({ input: inputs[at], answer })));
    expect(await threadOf(worker, middle.id)).toHaveLength(2);
    expect(await threadOf(worker, root.id)).toEqual([{ input: inputs[0], answer: root }]);
  });

  test("two children of one parent have their own threads", async () => {
    const worker = startWorker();
    const root = await worker.answer({ input: uniqueText("root") });
    const left = await worker.answer({ input: uniqueText("left"), previous_response_id: root.id });
    const right = await worker.answer({ input: uniqueText("right"), previous_response_id: root.id });
    expect((await threadOf(worker, left.id)).map(({ answer }) => answer.id)).toEqual([root.id, left.id]);
    expect((await threadOf(worker, right.id)).map(({ answer }) => answer.id)).toEqual([root.id, right.id]);
  });

  /** Writes a conversation into KV as the Worker would have. */
  async function seed(length: number, options: { unseenParents?: boolean } = {}): Promise<string[]> {
    const [keys, owner] = [await idKeys(), await ownerNamed("anonymous:local")];
    const ids: string[] = [];
    const writes: Promise<void>[] = [];
    let parent: Turn | null = null;
    for (let turn = 1; turn <= length; turn += 1) {
      const id = await signId(keys, owner, {
        kind: "upstream",
        isStored: true,
        value: `resp_seed_${turn}`,
        turn,
        minute: 29_000_000,
        nonce: 7,
      });
      const record: Turn = {
        id,
        parent: ids.at(-1) ?? null,
        ancestors: ancestorsOf(ids.at(-1) ?? null, options.unseenParents === true ? null : parent),
        input: `input ${turn}`,
        response: { id: `resp_seed_${turn}`, model: "m", status: "completed", output: [] },
        preset: null,
        wantsData: false,
        model: "m",
        at: 1_763_800_000,
      };
      writes.push(env.RESPONSES.put(turnKey(owner, id), encodeTurn(record) ?? ""));
      ids.push(id);
      parent = record;
    }
    await Promise.all(writes);
    return ids;
  }

  /** KV that counts how often it is read. */
  function countedKv(): { kv: KVNamespace; reads: () => number } {
    let reads = 0;
    const get = (...args: [never, never]): unknown => {
      reads += 1;
      return env.RESPONSES.get(...args);
    };
    const put = (...args: [never, never]): unknown => env.RESPONSES.put(...args);
    return { kv: { get, put } as unknown as KVNamespace, reads: () => reads };
  }

  test("a thread of 105 turns is complete and takes three KV reads", async () => {
    const ids = await seed(105);
    const { kv, reads } = countedKv();
    const turns = await threadOf(startWorker({}, { RESPONSES: kv }), ids.at(-1) ?? "");
    expect(turns.map(({ answer }) => answer.id)).toEqual(ids);
    expect(turns.map(({ input }) => input)).toEqual(ids.map((_, at) => `input ${at + 1}`));
    expect(reads()).toBe(3);
  });

  test("replaying 100 turns costs one extra KV read", async () => {
    const ids = await seed(100);
    const { kv, reads } = countedKv();
    const worker = startWorker({ continuity: "gateway", cache: false }, { RESPONSES: kv });
    const input = uniqueText();
    await worker.answer({ input, previous_response_id: ids.at(-1) });
    expect((await receivedRequests(input))[0]?.body["input"]).toHaveLength(101);
    expect(reads()).toBe(2);
  });

  test("a thread is complete if every turn was written before its parent could be read", async () => {
    const ids = await seed(5, { unseenParents: true });
    const turns = await threadOf(startWorker(), ids.at(-1) ?? "");
    expect(turns.map(({ answer }) => answer.id)).toEqual(ids);
  });

  test("a turn that has expired is omitted from the thread", async () => {
    const ids = await seed(4);
    await env.RESPONSES.delete(turnKey(await ownerNamed("anonymous:local"), ids[1] ?? ""));
    const turns = await threadOf(startWorker(), ids[3] ?? "");
    expect(turns.map(({ input }) => input)).toEqual(["input 1", "input 3", "input 4"]);
  });
});

describe("an id that does not contain the upstream id", () => {
  const PARENT: Parent = {
    id: "resp_ue1_own",
    turn: 1,
    signed: { kind: "own", isStored: true, turn: 1, minute: 1_000, nonce: 7, value: "x" },
  };

  /** @param storedValues the results of the reads, in order */
  function depsWithReads(storedValues: (string | null)[], minute = 1_000): { deps: Deps; pauses: number[] } {
    const pauses: number[] = [];
    const deps: Partial<Deps> = {
      now: () => minute * 60_000,
      sleep: (ms) => Promise.resolve(void pauses.push(ms)),
      store: {
        read: () => Promise.resolve([]),
        readStrict: () => Promise.resolve([storedValues.shift() ?? null]),
        write: () => Promise.resolve(true),
        remove: () => Promise.resolve(),
      },
    };
    return { deps: deps as Deps, pauses };
  }
  const TURN = encodeTurn({
    id: PARENT.id,
    parent: null,
    ancestors: [],
    input: "hi",
    response: { id: "resp_of_upstream" },
    preset: null,
    wantsData: false,
    model: "m",
    at: 60_000,
  });

  test("a young turn that is missing is read again", async () => {
    const { deps, pauses } = depsWithReads([null, null, TURN]);
    expect((await readYoungTurn(deps, "owner", PARENT)).response["id"]).toBe("resp_of_upstream");
    expect(pauses).toEqual([500, 1_000]);
  });

  test("a young turn that stays missing gets 503", async () => {
    const { deps, pauses } = depsWithReads([]);
    await expect(readYoungTurn(deps, "owner", PARENT)).rejects.toMatchObject({
      code: "unavailable",
      details: { retryAfter: 5 },
    });
    expect(pauses).toEqual([500, 1_000, 2_000]);
  });

  test("an older missing turn is reported as expired immediately, without calling upstream", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const worker = startWorker();
    const id = await FORMS["text stream"](worker, { input: uniqueText(), model: "emulate/no-id" });
    await env.RESPONSES.delete((await kvKeys("turn:"))[0] ?? "");
    vi.setSystemTime(Date.now() + 3 * 60_000);
    const input = uniqueText();
    const response = await worker.ask({ input, previous_response_id: id });
    expect(response.status).toBe(400);
    const problem = await problemOf(response);
    expect(problem.code).toBe("previous_response_not_found");
    expect(problem.message).toContain("has expired");
    expect(await calls(input)).toBe(0);
  });

  test("the turn is not read if the id contains the upstream id", async () => {
    const worker = startWorker();
    const first = uniqueText();
    const { id } = await worker.answer({ input: first });
    await env.RESPONSES.delete((await kvKeys("turn:"))[0] ?? "");
    expect((await worker.answer({ input: uniqueText(), previous_response_id: id })).text).toContain(first);
  });

  test("an expired turn is written again when its cached answer is repeated", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const worker = startWorker({ turns: { ttl: 60 }, cache: { ttl: 3_600 } });
    const body = { input: uniqueText() };
    const id = await FORMS["text stream"](worker, body);
    await env.RESPONSES.delete((await kvKeys("turn:"))[0] ?? "");
    vi.setSystemTime(Date.now() + 3 * 60_000);
    expect(await worker.answer(body)).toMatchObject({ cached: true, id });
    expect((await worker.get(`/ask/${id}`)).status).toBe(200);
    expect((await worker.answer({ input: uniqueText(), previous_response_id: id })).text).toContain(body.input);
  });
});

describe("ids that were never issued to the caller", () => {
  /** The response to a caller without access, without the request's id. */
  async function comparable(response: Response): Promise<unknown> {
    const text = await response.clone().text();
    const { request_id } = await problemOf(response);
    return [
      response.status,
      text.replaceAll(request_id, "…"),
      [...response.headers].filter(([name]) => name !== "x-request-id"),
    ];
  }

  test("forged, truncated, changed and foreign ids get the same refusal, and upstream is not called", async () => {
    const worker = startWorker({}, { SERVER_KEYS });
    const { id } = await worker.answer({ input: uniqueText() }, as(KEYS.alice));
    const foreign = await startWorker({}, { ID_KEYS: btoa("another id key of thirty-2 bytes") }).answer({
      input: uniqueText(),
    });
    const wrong = [
      `${id.slice(0, -1)}${id.endsWith("A") ? "E" : "A"}`,
      id.slice(0, -4),
      id.slice(0, 20),
      "resp_ue1_",
      `${id}A`,
      `${id}=`,
      `${id.slice(0, 30)}${id[30] === "a" ? "b" : "a"}${id.slice(31)}`,
      `resp_ue1_${"A".repeat(40)}`,
      `resp_ue1_${"A".repeat(400)}`,
      foreign.id,
    ];
    const follow: unknown[] = [];
    const found: unknown[] = [];
    const secret = uniqueText();
    for (const [key, ids] of [
      [KEYS.alice, wrong],
      [KEYS.bob, [...wrong, id]],
    ] as const) {
      for (const previous_response_id of ids) {
        follow.push(await comparable(await worker.ask({ input: secret, previous_response_id }, as(key))));
        found.push(await comparable(await worker.get(`/ask/${encodeURIComponent(previous_response_id)}`, as(key))));
        found.push(
          await comparable(await worker.get(`/ask/${encodeURIComponent(previous_response_id)}?thread=true`, as(key))),
        );
      }
    }
    expect(follow[0]).toMatchObject([
      400,
      expect.stringContaining('"code":"previous_response_not_found"') as string,
      expect.anything(),
    ]);
    expect(found[0]).toMatchObject([
      404,
      expect.stringContaining('"code":"response_not_found"') as string,
      expect.anything(),
    ]);
    for (const each of follow) expect(each).toEqual(follow[0]);
    for (const each of found) expect(each).toEqual(found[0]);
    expect(await calls(secret)).toBe(0);
  });

  test("the second key of a name can read the conversation of the first", async () => {
    const worker = startWorker({}, { SERVER_KEYS });
    const first = uniqueText();
    const { id } = await worker.answer({ input: first }, as(KEYS.alice));
    expect((await worker.get(`/ask/${id}`, as(KEYS.alice2))).status).toBe(200);
    expect((await worker.answer({ input: uniqueText(), previous_response_id: id }, as(KEYS.alice2))).text).toContain(
      first,
    );
  });

  test("a raw upstream id is forwarded for a server caller, and is not found by GET", async () => {
    const worker = startWorker({}, { SERVER_KEYS });
    const first = uniqueText();
    await worker.answer({ input: first }, as(KEYS.alice));
    const key = (await kvKeys("turn:"))[0] ?? "";
    const turn = await env.RESPONSES.get<{ response: { id: string } }>(key, "json");
    const raw = turn?.response.id ?? "";
    const second = uniqueText();
    const followed = await worker.answer({ input: second, previous_response_id: raw }, as(KEYS.bob));
    expect(followed.text).toContain(first);
    expect(followed.previous_response_id).toBe(raw);
    expect((await receivedRequests(second))[0]?.body["previous_response_id"]).toBe(raw);
    const response = await worker.get(`/ask/${raw}`, as(KEYS.alice));
    expect(response.status).toBe(404);
    expect((await problemOf(response)).code).toBe("response_not_found");
  });

  test("upstream's refusal of an id that it does not know is forwarded", async () => {
    const worker = startWorker();
    const response = await worker.ask({ input: uniqueText(), previous_response_id: "resp_never_there" });
    expect(response.status).toBe(400);
    expect(await problemOf(response)).toMatchObject({
      code: "previous_response_not_found",
      param: "previous_response_id",
    });
  });
});

describe("upstream ids that don't fit into ours", () => {
  test("an answer without an upstream id gets an id, can be read, and is continued from KV", async () => {
    const worker = startWorker();
    for (const askFor of Object.values(FORMS)) {
      const first = uniqueText();
      const id = await askFor(worker, { input: first, model: "emulate/no-id" });
      expect(isSignedId(id)).toBe(true);
      const response = await worker.ask({ input: uniqueText(), previous_response_id: id });
      expect(response.headers.get("x-continuity")).toBe("replayed");
      expect((await response.json<Answer>()).text).toContain(first);
    }
  });

  test('with `continuity: "upstream"`, a follow-up to an answer without an upstream id is refused with that reason', async () => {
    const worker = startWorker({ continuity: "upstream" });
    for (const askFor of Object.values(FORMS)) {
      const id = await askFor(worker, { input: uniqueText(), model: "emulate/no-id" });
      expect(isSignedId(id)).toBe(true);
      expect((await worker.get(`/ask/${id}`)).status).toBe(200);
      const second = uniqueText();
      const response = await worker.ask({ input: second, previous_response_id: id });
      expect(response.status).toBe(400);
      const problem = await problemOf(response);
      expect(problem).toMatchObject({ code: "previous_response_not_found", param: "previous_response_id" });
      expect(problem.message).toMatch(/no id/);
      expect(await calls(second)).toBe(0);
    }
  });

  test("an answer whose upstream id is too long for ours is continued through its turn", async () => {
    const worker = startWorker();
    for (const askFor of Object.values(FORMS)) {
      const first = uniqueText();
      const id = await askFor(worker, { input: first, model: "emulate/long-id" });
      expect(id.length).toBeLessThanOrEqual(256);
      const second = uniqueText();
      expect((await worker.answer({ input: second, previous_response_id: id })).text).toContain(first);
      expect(String((await receivedRequests(second))[0]?.body["previous_response_id"])).toHaveLength(300);
    }
  });

  test("if the id changes within a stream, the last one is continued", async () => {
    const worker = startWorker();
    for (const askFor of Object.values(FORMS)) {
      const first = uniqueText();
      const id = await askFor(worker, { input: first, model: "emulate/id-changes" });
      expect((await worker.answer({ input: uniqueText(), previous_response_id: id })).text).toContain(first);
    }
  });

  test("a bare UUID is a valid upstream id", async () => {
    const worker = startWorker();
    const first = uniqueText();
    const { id } = await worker.answer({ input: first, model: "emulate/uuid-id" });
    expect((await worker.answer({ input: uniqueText(), previous_response_id: id })).text).toContain(first);
  });
});

describe("references to items", () => {
  const v1 = (worker: WorkerUnderTest, body: object, headers: Record<string, string>): Promise<Response> =>
    worker.send("/v1/responses", {
      method: "POST",
      body: JSON.stringify({ model: "gpt-6-luna", ...body }),
      headers: { "content-type": "application/json", ...headers },
    });
  const messageIdOf = async (response: Response): Promise<string> => {
    const { output } = await response.json<{ output: { id: string; type: string }[] }>();
    return output.find(({ type }) => type === "message")?.id ?? "";
  };

  test.each([
    ["under an Idempotency-Key", { "idempotency-key": crypto.randomUUID() }],
    ["without a key", {}],
  ])(
    "an item of an answer %s is in KV before the answer ends, for its owner only, and as long as its turn",
    async (_n, headers) => {
      const worker = startWorker({}, { SERVER_KEYS });
      const question = uniqueText();
      const first = await v1(worker, { input: question }, { ...as(KEYS.alice), ...headers });
      const id = await messageIdOf(first);
      const [key] = await kvKeys("item:");
      expect(key).toBe(`item:v1:${await ownerNamed("server:alice")}:${id}`);
      await worker.settled();
      const [items, turns] = await Promise.all(["item:", "turn:"].map((prefix) => env.RESPONSES.list({ prefix })));
      expect(items?.keys[0]?.expiration).toBeCloseTo(turns?.keys[0]?.expiration ?? 0, -1);

      const input = [
        { type: "item_reference", id },
        { role: "user", content: uniqueText("and then") },
      ];
      expect((await v1(startWorker({}, { SERVER_KEYS }), { input }, as(KEYS.alice))).status).toBe(200);
      const foreign = await v1(worker, { input }, as(KEYS.bob));
      expect(foreign.status).toBe(404);
      expect(await problemOf(foreign)).toMatchObject({ message: `Item with id '${id}' not found.`, param: "input" });
    },
  );
});
