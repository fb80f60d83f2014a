// The fault table for requests with an Idempotency-Key, each sent twice: as events and as JSON. And two faults that the emulator can't
// play: no server at upstream's address, and many failures at once.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import { expectResponsesRefusal } from "./fault-checks-responses.ts";
import { NEEDS_SHORT_DEADLINES, mayBePaid, promiseOnce, ROWS, type Row, STATUS, streamOutcome } from "./fault-table.ts";
import {
  endOf,
  errorOf,
  eventsOf,
  type HttpResponse,
  json,
  PROMPT,
  startWorker,
  UPSTREAM_KEY,
  type Worker,
} from "./worker.ts";

const BOUND_MS = 10_000;

let emulator: Emulator;
let worker: Worker;
let impatient: Worker;
/** Its upstream's address has no server. */
let unreachable: Worker;
beforeAll(async () => {
  emulator = await startEmulator({ key: UPSTREAM_KEY });
  worker = await startWorker(emulator.url);
  impatient = await startWorker(emulator.url, { DEADLINES: '{"upstream_first_byte":800,"upstream_idle":800}' });
  unreachable = await startWorker(await closedAddress());
});
afterAll(async () => {
  for (const each of [worker, impatient, unreachable]) await each.stop();
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
  const target = NEEDS_SHORT_DEADLINES.test(name) ? impatient : worker;
  const body = { input: `${PROMPT} ${name} twice`, model: `emulate/${name}` };
  const key = freshKey();
  const first = await target.ask({ ...body, stream: true }, key);
  const second = await target.ask(body, key);
  for (const { ms } of [first, second]) expect(ms).toBeLessThan(BOUND_MS);
  const outcome = streamOutcome(row);
  const { refused, fails } = outcome;
  if (refused === undefined && fails === undefined) {
    expect(endOf(eventsOf(first))).toEqual(json(second));
    expect(callsOf(body.input), "calls of upstream").toBe(row.calls ?? 1);
    return;
  }
  const code = refused?.code ?? fails?.code ?? "";
  const status = refused?.status ?? STATUS[code];
  const paid = mayBePaid(outcome);
  if (refused === undefined) expect(endOf(eventsOf(first))["code"]).toBe(code);
  else expect([first.status, errorOf(first).code]).toEqual([status, code]);
  expect([second.status, errorOf(second).code]).toEqual([status, code]);
  expect(second.headers["x-should-retry"]).toBe(paid || refused?.final === true ? "false" : undefined);
  expect(callsOf(body.input), "calls of upstream").toBe((paid ? 1 : 2) * (row.calls ?? 1));
}

for (const [name, row] of Object.entries(ROWS)) {
  const promise = promiseOnce(row);
  if (promise !== undefined)
    test.concurrent(`emulate/${name}, sent twice with one Idempotency-Key: ${promise}`, () => twice(name, row));
}

function expectFinal(response: HttpResponse): void {
  expect([response.status, errorOf(response).code, response.headers["x-should-retry"]]).toEqual([
    502,
    "upstream_error",
    "false",
  ]);
}

test("if no server listens at UniAPI's address, every form gets a final 502 upstream_error, and a run stores it", async () => {
  const body = { input: `${PROMPT} alone` };
  const key = freshKey();
  for (const headers of [{}, { accept: "text/event-stream" }, { accept: "text/plain" }, key, key])
    expectFinal(await unreachable.ask(body, headers));
  const onResponses = await unreachable.send("/v1/responses", { body: { ...body, model: "gpt-6-sol" } });
  expectResponsesRefusal(onResponses, { status: 502, code: "upstream_error", final: true });
});

test("when a hundred concurrent requests fail with 500, 502 and 503, each gets its own status, and the next request is answered", async () => {
  const input = `${PROMPT} storm`;
  const faults = ["500", "502-html", "503", "520", "524"];
  const responses = await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      worker.ask(
        { input, model: `emulate/${faults[n % 5]}` },
        n % 2 === 0 ? {} : { ...freshKey(), accept: "text/event-stream" },
      ),
    ),
  );
  expect(responses.map(({ status }) => status)).toEqual(responses.map((_, n) => (n % 5 === 2 ? 503 : 502)));
  for (const { ms } of responses) expect(ms).toBeLessThan(BOUND_MS);
  expect((await worker.ask({ input })).status).toBe(200);
});

test("after all these faults, KV contains only requests that were answered", async () => {
  const stored = [...(await worker.kv()).values()].join("\n");
  for (const [name, row] of Object.entries(ROWS)) {
    if (promiseOnce(row) === undefined || NEEDS_SHORT_DEADLINES.test(name)) continue;
    const { refused, fails } = streamOutcome(row);
    if (refused !== undefined || fails !== undefined) expect(stored, name).not.toContain(`${PROMPT} ${name} twice`);
  }
  expect(stored).toContain(`${PROMPT} text twice`);
  expect(await unreachable.kvKeys()).toEqual([]);
});
