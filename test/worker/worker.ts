// The Worker under test, the requests that the shared emulator received from it, and its log. All files share one emulator, so each request
// has a unique marker in its text.
import type { Answer } from "../../src/contract/answer.ts";
import { createExecutionContext, reset, runInDurableObject, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { createParser } from "eventsource-parser";
import { afterEach, beforeEach, expect, inject, vi } from "vitest";
import { createApp } from "../../src/app.ts";
import { type ConfigInput, defineConfig } from "../../src/core/config/define-config.ts";
import { importIdKeys, ownerOf } from "../../src/core/callers/owner.ts";

export const UPSTREAM_KEY = "sk-canary-4f9d2c7b1e8a";
export const ID_SECRET = "an id key of thirty-two bytes...";
export const ID_KEY = btoa(ID_SECRET);
/** Two owners; alice has two keys. */
export const KEYS = { alice: "sk_alice_0123456789ab", alice2: "sk_alice_second_012345", bob: "sk_bob_0123456789abcd" };
export const SERVER_KEYS = `alice:${KEYS.alice},alice:${KEYS.alice2},bob:${KEYS.bob}`;

export interface ErrorBody {
  error: { message: string; type: string; code: string; param: string; request_id: string; detail_code?: string };
}

export type HeaderTable = Record<string, string>;

export interface WorkerUnderTest {
  send: (path: string, init?: RequestInit) => Promise<Response>;
  /** POST /ask with a JSON body. */
  ask: (body: unknown, headers?: HeaderTable) => Promise<Response>;
  /** The same for a request that succeeds. Resolves after its background work. */
  answer: (body: unknown, headers?: HeaderTable) => Promise<Answer>;
  get: (path: string, headers?: HeaderTable) => Promise<Response>;
  /** Resolves when everything passed to waitUntil so far is done. */
  settled: () => Promise<void>;
}

/** @param settings vars, secrets and bindings that differ from the defaults of the tests */
export function startWorker(config: ConfigInput = {}, settings: Record<string, unknown> = {}): WorkerUnderTest {
  const app = createApp(defineConfig({ defaults: { model: "gpt-6-luna" }, ...config }));
  const bound = {
    ...env,
    UNIAPI_BASE_URL: inject("emulatorUrl"),
    ID_KEYS: ID_KEY,
    DEADLINES: '{"usage":1}',
    ...settings,
  };
  const contexts: ExecutionContext[] = [];
  const worker: WorkerUnderTest = {
    async send(path, init) {
      const context = createExecutionContext();
      contexts.push(context);
      return await app.fetch(new Request(URL.parse(path, "http://localhost:8787") ?? path, init), bound, context);
    },
    ask: (body, headers = {}) =>
      worker.send("/ask", {
        method: "POST",
        body: JSON.stringify(body),
        headers: { "content-type": "application/json", ...headers },
      }),
    async answer(body, headers) {
      const response = await worker.ask(body, headers);
      const answer = await response.json();
      await worker.settled();
      expect(answer, "an answer").not.toHaveProperty("error");
      return answer as Answer;
    },
    get: (path, headers = {}) => worker.send(path, { headers }),
    async settled() {
      for (const context of contexts.splice(0)) await waitOnExecutionContext(context);
    },
  };
  return worker;
}

export const as = (key: string): HeaderTable => ({ authorization: `Bearer ${key}` });
export const EVENTS = { accept: "text/event-stream" };
export const TEXT = { accept: "text/plain" };

/** A unique text. */
export const uniqueText = (text = "hello"): string => `${text} ${crypto.randomUUID()}`;

export interface Received {
  headers: Record<string, string>;
  body: Record<string, unknown>;
  raw: string;
  ended: "open" | "complete" | "client_left";
}

/** The requests at the emulator that contain this text, oldest first. */
export async function receivedRequests(marker: string): Promise<Received[]> {
  const response = await fetch(`${inject("emulatorUrl")}/emulator/requests?holds=${encodeURIComponent(marker)}`);
  const { requests } = await response.json<{ requests: Received[] }>();
  return requests;
}

export async function calls(marker: string): Promise<number> {
  return (await receivedRequests(marker)).length;
}

export interface SentEvent {
  id: string;
  event: string;
  data: Record<string, unknown>;
}

export function eventsIn(text: string): SentEvent[] {
  const events: SentEvent[] = [];
  createParser({
    onEvent: ({ id = "", event = "", data }) =>
      void events.push({ id, event, data: JSON.parse(data) as Record<string, unknown> }),
  }).feed(text);
  return events;
}

export const namesOf = (events: readonly SentEvent[]): string[] => events.map(({ event }) => event);

/** The deltas of one kind, concatenated. */
export const joinDeltas = (events: readonly SentEvent[], name: string): string =>
  events.map(({ event, data }) => (event === name ? String(data["delta"]) : "")).join("");

export async function problemOf(response: Response): Promise<ErrorBody["error"]> {
  const { error } = await response.json<ErrorBody>();
  expectEnvelope(response, error);
  return error;
}

/** docs/contract.md §8: all values are strings, and the request id is in both places. Only OpenAI's routes have `detail_code`. */
export function expectEnvelope(response: Response, error: unknown): void {
  const some = expect.stringMatching(/./) as string;
  const { detail_code: detail, ...rest } = error as ErrorBody["error"];
  expect(rest).toStrictEqual({
    message: some,
    type: some,
    code: some,
    param: expect.any(String) as string,
    request_id: some,
  });
  expect(detail ?? "absent").toMatch(/^[a-z_]+$/);
  expect(response.headers.get("x-request-id")).toBe((error as ErrorBody["error"]).request_id);
  expect(response.headers.get("cache-control")).toBe("no-store");
}

export type LogLine = Record<string, unknown> & { event: string; level: string };

/** Secrets of callers and visitors. No log, no KV and no object may contain one in clear text. */
const CALLERS_OWN = /pk_[a-z]+_[\w-]{12,}|a-session-secret-of|turnstile-secret-of|203\.0\.113\.|2001:db8:/;
const CANARY = [UPSTREAM_KEY, ID_KEY, ...Object.values(KEYS), "hook-canary", "callback-canary"];

/** Gives every test of a file an empty KV and its own log, and searches both and the rows of all objects for secrets. */
export function eachTestAlone(): { lines: () => LogLine[]; requests: () => LogLine[]; warnings: () => LogLine[] } {
  let written: string[] = [];
  beforeEach(() => {
    written = [];
    vi.spyOn(console, "log").mockImplementation((line: string) => void written.push(line));
  });
  afterEach(async () => {
    vi.useRealTimers();
    vi.restoreAllMocks();
    const stored = await kvTexts();
    const rows = Object.values(await objectRows()).flat();
    reached.clear();
    const texts = [...written, ...stored, ...rows];
    expect(texts.filter((text) => CALLERS_OWN.test(text) || CANARY.some((secret) => text.includes(secret)))).toEqual(
      [],
    );
    // Only if needed: it takes longer than most tests.
    if (stored.length + rows.length > 0) await reset();
  });
  const lines = (): LogLine[] => written.map((line) => JSON.parse(line) as LogLine);
  return {
    lines,
    requests: () => lines().filter(({ event }) => event === "request"),
    warnings: () => lines().filter(({ level }) => level === "warn"),
  };
}

/** Stops the clock within a minute, so that counters per minute do not restart during the test. */
export function withinOneMinute(): void {
  vi.useFakeTimers({ toFake: ["Date"], now: Math.floor(Date.now() / 60_000) * 60_000 + 1_000 });
}

/**
 * Ids of the objects that this test has reached. `reset` empties an object but leaves its file, so `listDurableObjectIds` would include those
 * of all earlier tests, and waking them takes longer than the test.
 */
const reached = new Set<string>();
// Every access to an object passes here: the app, other objects and the Workflow run in this isolate, and namespaces share one prototype.
const prototype = Object.getPrototypeOf(env.RUNS) as Record<
  "get" | "getByName",
  (...args: unknown[]) => DurableObjectStub
>;
for (const method of ["get", "getByName"] as const) {
  const real = prototype[method];
  prototype[method] = function (this: unknown, ...args: unknown[]) {
    const stub = real.apply(this, args);
    reached.add(stub.id.toString());
    return stub;
  };
}

/** Every row of the Durable Objects that this test has reached, as text, by namespace. */
export async function objectRows(): Promise<Record<"BUDGETS" | "JOB_RECORDS" | "RUNS", string[]>> {
  const rows = { BUDGETS: [] as string[], JOB_RECORDS: [] as string[], RUNS: [] as string[] };
  const ids = [...reached];
  for (const name of ["BUDGETS", "JOB_RECORDS", "RUNS"] as const) {
    const namespace = env[name] as DurableObjectNamespace;
    // A sample is enough: the rows of a thousand callers are alike.
    for (const id of ids.flatMap((text) => idIn(namespace, text)).slice(0, 50)) {
      rows[name].push(...(await runInDurableObject(namespace.get(id), (_, { storage }) => textsOf(storage))));
    }
  }
  return rows;
}

/** Only a namespace itself knows whether an id belongs to it. */
function idIn(namespace: DurableObjectNamespace, id: string): DurableObjectId[] {
  try {
    return [namespace.idFromString(id)];
  } catch {
    return [];
  }
}

function textsOf({ sql }: DurableObjectStorage): string[] {
  const decoder = new TextDecoder();
  const tables = sql
    .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\'")
    .toArray();
  return tables.flatMap(({ name }) =>
    sql
      .exec(`SELECT * FROM ${name}`)
      .toArray()
      .map((row) =>
        Object.values(row)
          .map((value) => (value instanceof ArrayBuffer ? decoder.decode(value) : String(value)))
          .join(" "),
      ),
  );
}

/** Every key and every value in KV. */
export async function kvTexts(): Promise<string[]> {
  const keys = await kvKeys("");
  const values = await Promise.all(keys.map((key) => env.RESPONSES.get(key)));
  return [...keys, ...values.map((value) => value ?? "")];
}

export async function kvKeys(prefix: string): Promise<string[]> {
  const { keys } = await env.RESPONSES.list({ prefix });
  return keys.map(({ name }) => name);
}

export async function ownerNamed(name: string): Promise<string> {
  return ownerOf(await idKeys(), name);
}

export const idKeys = (): ReturnType<typeof importIdKeys> =>
  importIdKeys([Uint8Array.from(new TextEncoder().encode(ID_SECRET))]);
