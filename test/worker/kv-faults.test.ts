// KV that fails, and records in KV that can't be read, never prevent an answer.
import { env } from "cloudflare:workers";
import { describe, expect, test, vi } from "vitest";
import { KV_READ_TIMEOUT_MS } from "../../src/platform/kv.ts";
import {
  eachTestAlone,
  eventsIn,
  EVENTS,
  kvKeys,
  uniqueText,
  problemOf,
  namesOf,
  startWorker,
  TEXT,
  UPSTREAM_KEY,
  type WorkerUnderTest,
} from "./worker.ts";

const log = eachTestAlone();

/** The real KV with some methods replaced. */
const kvWith = (methods: Record<string, (...args: never[]) => unknown>): KVNamespace =>
  ({
    get: (...args: [never, never]) => env.RESPONSES.get(...args),
    put: (...args: [never, never]) => env.RESPONSES.put(...args),
    ...methods,
  }) as unknown as KVNamespace;

const throwFailure = (): never => {
  throw new Error(`KV GET failed: 500 at https://kv.example/${UPSTREAM_KEY}`);
};
const rejectWithFailure = (): Promise<never> => Promise.reject(new TypeError(`KV failed ${UPSTREAM_KEY}`));

function expectWarning(event: string, ...secrets: string[]): void {
  const warnings = log.warnings();
  expect(warnings.map((line) => line.event)).toContain(event);
  for (const secret of secrets) expect(JSON.stringify(warnings)).not.toContain(secret);
}

const FORMS = [
  [{}, {}],
  [TEXT, {}],
  [EVENTS, {}],
  [TEXT, { stream: true }],
] as const;

describe("KV that fails", () => {
  test.each([
    ["throws", throwFailure],
    ["rejects", rejectWithFailure],
  ])("a read that %s is a miss, for roots and for follow-ups, in every form", async (_name, get) => {
    const root = await startWorker().answer({ input: uniqueText("root") });
    const worker = startWorker({}, { RESPONSES: kvWith({ get }) });
    for (const [headers, fields] of FORMS) {
      const input = uniqueText();
      for (const previous_response_id of [undefined, root.id]) {
        const response = await worker.ask({ input, previous_response_id, ...fields }, headers);
        expect(response.status).toBe(200);
        expect(await response.text()).toContain(input);
        await worker.settled();
        expectWarning("kv_read_failed", input, root.id, "kv.example");
      }
    }
    // A request for the turn itself does not get 404, since the turn may exist.
    const lookup = await worker.get(`/ask/${root.id}`);
    expect([lookup.status, (await problemOf(lookup)).code]).toEqual([503, "unavailable"]);
  });

  test.each([
    ["throws", throwFailure],
    ["rejects", rejectWithFailure],
  ])("a write that %s loses the turn but not the answer", async (_name, put) => {
    const worker = startWorker({}, { RESPONSES: kvWith({ put }) });
    for (const [headers, fields] of FORMS) {
      const input = uniqueText();
      const response = await worker.ask({ input, ...fields }, headers);
      expect(await response.text()).toContain(input);
      await worker.settled();
      expectWarning("kv_write_failed", input, "kv.example");
    }
    expect(await kvKeys("")).toEqual([]);
  });

  test("a read that never ends is abandoned, and upstream is called", async () => {
    let onRead: (() => void) | undefined;
    const reading = new Promise<void>((resolve) => {
      onRead = resolve;
    });
    const get = (): Promise<never> => {
      onRead?.();
      return new Promise(() => undefined);
    };
    const worker = startWorker({}, { RESPONSES: kvWith({ get }) });
    vi.useFakeTimers();
    const input = uniqueText();
    const answering = worker.ask({ input });
    await reading;
    await vi.advanceTimersByTimeAsync(KV_READ_TIMEOUT_MS);
    const response = await answering;
    expect(await response.text()).toContain(input);
    expectWarning("kv_read_failed", input);
  });

  test("without the KV binding, POST /ask gets a 503 that names the binding", async () => {
    const response = await startWorker({}, { RESPONSES: undefined }).ask({ input: uniqueText() });
    expect(response.status).toBe(503);
    expect(await response.text()).toContain("RESPONSES");
  });
});

describe("records that can't be read", () => {
  const WRONG = [
    "",
    "{",
    "null",
    "[]",
    '"text"',
    "42",
    "{}",
    '{"v":0}',
    '{"v":1}',
    '{"v":2,"response":{}}',
    '{"v":1,"response":[]}',
    '{"v":1,"id":7,"response":{},"ancestors":[]}',
    '{"v":1,"id":"resp_x","response":{},"ancestors":[1]}',
    '{"v":1,"id":"resp_x","response":{},"ancestors":"no"}',
  ];
  /** Complete records with one mistake each. */
  function damagedCopies(text: string): string[] {
    const record = JSON.parse(text) as Record<string, unknown>;
    const values = [null, "x", {}];
    return [
      ...Object.keys(record).flatMap((key) => values.map((value) => JSON.stringify({ ...record, [key]: value }))),
      JSON.stringify({ ...record, v: 0 }),
      text.slice(0, -1),
    ];
  }

  async function overwrite(prefix: string, text: string): Promise<void> {
    for (const key of await kvKeys(prefix)) await env.RESPONSES.put(key, text);
  }

  async function expectAnswer(worker: WorkerUnderTest, body: object, why: string): Promise<void> {
    const events = eventsIn(await (await worker.ask(body, EVENTS)).text());
    await worker.settled();
    expect(namesOf(events), why).toContain("done");
  }

  test("a damaged answer record never prevents an answer", async () => {
    const worker = startWorker();
    const body = { input: uniqueText(), metadata: { a: "1" } };
    await worker.answer(body);
    const [key = ""] = await kvKeys("answer:");
    const storedText = (await env.RESPONSES.get(key)) ?? "";
    for (const text of [...WRONG, ...damagedCopies(storedText)]) {
      await overwrite("answer:", text);
      await expectAnswer(worker, body, text);
    }
  });

  test("an answer record that is corrupt, older or newer is a miss", async () => {
    const worker = startWorker();
    const body = { input: uniqueText() };
    await worker.answer(body);
    const other = [0, 2, "1"].map((v) =>
      JSON.stringify({ v, id: "resp_x", owner: "o", model: "m", at: 9e9, ttl: 60, response: {} }),
    );
    for (const text of [...WRONG, ...other]) {
      await overwrite("answer:", text);
      expect(await worker.answer(body), text).not.toHaveProperty("cached");
    }
  });

  test("a damaged turn never breaks a follow-up, GET or its thread", async () => {
    const worker = startWorker({ cache: false });
    const root = await worker.answer({ input: uniqueText(), metadata: { a: "1" } });
    const [key = ""] = await kvKeys("turn:");
    const storedText = (await env.RESPONSES.get(key)) ?? "";
    const child = await worker.answer({ input: uniqueText(), previous_response_id: root.id });
    for (const text of [...WRONG, ...damagedCopies(storedText)]) {
      await env.RESPONSES.put(key, text);
      for (const path of [`/ask/${root.id}`, `/ask/${root.id}?thread=true`, `/ask/${child.id}?thread=true`]) {
        const response = await worker.get(path);
        expect([200, 404], `${path} ${text}`).toContain(response.status);
      }
    }
    await env.RESPONSES.put(key, '{"v":0}');
    await expectAnswer(worker, { input: uniqueText(), previous_response_id: root.id }, "v:0");
    expect((await worker.get(`/ask/${root.id}`)).status).toBe(404);
  });
});
