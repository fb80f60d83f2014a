// The fault table again for requests with an Idempotency-Key, each sent twice, as events and as JSON; and the faults that are no entry
// of a menu: nobody listens, and everything fails at once.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import { HURRIED, mayBePaid, promiseOnce, ROWS, type Row, STATUS, streamedOf } from "./fault-table.ts";
import { endOf, errorOf, eventsOf, type Got, json, PROMPT, startWorker, UPSTREAM_KEY, type Worker } from "./worker.ts";

const BOUND_MS = 10_000;

let emulator: Emulator;
let worker: Worker;
let hurried: Worker;
/** Whose upstream is nobody. */
let alone: Worker;
beforeAll(async () => {
  emulator = await startEmulator({ key: UPSTREAM_KEY });
  worker = await startWorker(emulator.url);
  hurried = await startWorker(emulator.url, { DEADLINES: '{"upstream_first_byte":400,"upstream_idle":400}' });
  alone = await startWorker(await closedAddress());
});
afterAll(async () => {
  for (const one of [worker, hurried, alone]) await one.stop();
  await emulator.close();
});

async function closedAddress(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

const freshKey = (): Record<string, string> => ({ "idempotency-key": crypto.randomUUID() });
const callsOf = (input: string): number =>
  emulator.received.filter(({ raw }) => raw.includes(JSON.stringify(input))).length;

async function twice(name: string, row: Row): Promise<void> {
  const on = HURRIED.test(name) ? hurried : worker;
  const body = { input: `${PROMPT} ${name} twice`, model: `emulate/${name}` };
  const key = freshKey();
  const events = await on.ask({ ...body, stream: true }, key);
  const whole = await on.ask(body, key);
  for (const { ms } of [events, whole]) expect(ms).toBeLessThan(BOUND_MS);
  const streamed = streamedOf(row);
  const { refused, fails } = streamed;
  if (refused === undefined && fails === undefined) {
    expect(endOf(eventsOf(events))).toEqual(json(whole));
    expect(callsOf(body.input), "calls of upstream").toBe(row.calls ?? 1);
    return;
  }
  const code = refused?.code ?? fails?.code ?? "";
  const status = refused?.status ?? STATUS[code];
  const paid = mayBePaid(streamed);
  if (refused === undefined) expect(endOf(eventsOf(events))["code"]).toBe(code);
  else expect([events.status, errorOf(events).code]).toEqual([status, code]);
  expect([whole.status, errorOf(whole).code]).toEqual([status, code]);
  expect(whole.headers["x-should-retry"]).toBe(paid || refused?.final === true ? "false" : undefined);
  expect(callsOf(body.input), "calls of upstream").toBe((paid ? 1 : 2) * (row.calls ?? 1));
}

for (const [name, row] of Object.entries(ROWS)) {
  const promise = promiseOnce(row);
  if (promise !== undefined)
    test.concurrent(`emulate/${name}, sent twice with one Idempotency-Key: ${promise}`, () => twice(name, row));
}

function expectFinal(got: Got): void {
  expect([got.status, errorOf(got).code, got.headers["x-should-retry"]]).toEqual([502, "upstream_error", "false"]);
}

test("nobody listens at UniAPI's address, in every form: 502 upstream_error, final, and kept under a key", async () => {
  const body = { input: `${PROMPT} alone` };
  const key = freshKey();
  for (const headers of [{}, { accept: "text/event-stream" }, { accept: "text/plain" }, key, key])
    expectFinal(await alone.ask(body, headers));
  expectFinal(await alone.send("/v1/responses", { body: { ...body, model: "gpt-6-sol" } }));
});

test("a storm of 500, 502 and 503 in a hundred requests at once: each gets its own status, and the next request is answered", async () => {
  const input = `${PROMPT} storm`;
  const faults = ["500", "502-html", "503", "520", "524"];
  const got = await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      worker.ask(
        { input, model: `emulate/${faults[n % 5]}` },
        n % 2 === 0 ? {} : { ...freshKey(), accept: "text/event-stream" },
      ),
    ),
  );
  expect(got.map(({ status }) => status)).toEqual(got.map((_, n) => (n % 5 === 2 ? 503 : 502)));
  for (const { ms } of got) expect(ms).toBeLessThan(BOUND_MS);
  expect((await worker.ask({ input })).status).toBe(200);
});

test("of all these, only what was answered stands in KV afterwards", async () => {
  const kept = [...(await worker.kv()).values()].join("\n");
  for (const [name, row] of Object.entries(ROWS)) {
    if (promiseOnce(row) === undefined || HURRIED.test(name)) continue;
    const { refused, fails } = streamedOf(row);
    if (refused !== undefined || fails !== undefined) expect(kept, name).not.toContain(`${PROMPT} ${name} twice`);
  }
  expect(kept).toContain(`${PROMPT} text twice`);
  expect(await alone.kvKeys()).toEqual([]);
});
