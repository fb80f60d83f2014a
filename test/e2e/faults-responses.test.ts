// Every fault of the emulator's menu over real HTTP on /v1/responses: as JSON, as a stream, and sent twice with one Idempotency-Key. Every
// object and event must also match /openapi.json. test/clients tests how SDKs read these responses.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import { type Case, callsOf } from "./fault-checks.ts";
import {
  checkResponses,
  expectBroken,
  expectComplete,
  expectObject,
  expectResponsesRefusal,
  respond,
  responsesErrorOf,
} from "./fault-checks-responses.ts";
import { NEEDS_SHORT_DEADLINES, mayBePaid, STATUS, streamOutcome } from "./fault-table.ts";
import {
  firstOutcome,
  RESPONSES_FORMS,
  RESPONSES_ROWS,
  type ResponsesRow,
  responsesPromiseOf,
  responsesPromiseOnce,
} from "./fault-table-responses.ts";
import { json, PROMPT, startWorker, UPSTREAM_KEY, type Worker } from "./worker.ts";

let emulator: Emulator;
let worker: Worker;
/** Has short deadlines. */
let impatient: Worker;
beforeAll(async () => {
  emulator = await startEmulator({ key: UPSTREAM_KEY });
  worker = await startWorker(emulator.url);
  impatient = await startWorker(emulator.url, { DEADLINES: '{"upstream_first_byte":800,"upstream_idle":800}' });
});
afterAll(async () => {
  await worker.stop();
  await impatient.stop();
  await emulator.close();
});

const caseOf = (name: string, row: ResponsesRow, sent: string): Case & { row: ResponsesRow } => ({
  worker: NEEDS_SHORT_DEADLINES.test(name) ? impatient : worker,
  emulator,
  name,
  row,
  input: `${PROMPT} ${name} ${sent} on responses`,
});

async function twice(name: string, row: ResponsesRow): Promise<void> {
  const each = caseOf(name, row, "twice");
  const key = { "idempotency-key": crypto.randomUUID() };
  const first = await respond(each, { stream: true }, key);
  const second = await respond(each, {}, key);
  const { refused, fails } = firstOutcome(row, "stream");
  if (refused !== undefined) expectResponsesRefusal(first, refused);
  else if (fails !== undefined) expectBroken(first, fails.code, fails.textFirst);
  if (row.once !== undefined) expectObject(json(second), each);
  else if (refused !== undefined) expectResponsesRefusal(second, refused);
  else if (fails !== undefined) {
    expect([second.status, responsesErrorOf(second)["detail_code"]]).toEqual([STATUS[fails.code], fails.code]);
    expect(second.headers["x-should-retry"]).toBe(mayBePaid({ fails }) ? "false" : undefined);
  } else expect(json(second)).toEqual(expectComplete(first, each));
  const calledTwice = row.once !== undefined || ((refused ?? fails) !== undefined && !mayBePaid(streamOutcome(row)));
  expect(callsOf(each), "calls of upstream").toBe(calledTwice ? 2 : 1);
}

for (const [name, row] of Object.entries(RESPONSES_ROWS)) {
  for (const form of RESPONSES_FORMS) {
    const promise = responsesPromiseOf(row, form);
    if (promise !== undefined)
      test.concurrent(`emulate/${name} as ${form}: ${promise}`, () =>
        checkResponses(caseOf(name, row, `as ${form}`), form));
  }
  const promise = responsesPromiseOnce(row);
  if (promise !== undefined)
    test.concurrent(`emulate/${name}, sent twice with one Idempotency-Key: ${promise}`, () => twice(name, row));
}

test("after all these faults, KV contains only requests that were answered", async () => {
  const stored = [...(await worker.kv()).values()].join("\n");
  for (const [name, row] of Object.entries(RESPONSES_ROWS)) {
    if (NEEDS_SHORT_DEADLINES.test(name) || row.once !== undefined) continue;
    for (const form of RESPONSES_FORMS) {
      const { refused, fails } = firstOutcome(row, form);
      const isAnswer = refused === undefined && fails === undefined;
      if (!isAnswer) expect(stored, name).not.toContain(`${PROMPT} ${name} as ${form} on responses`);
    }
  }
  for (const form of [...RESPONSES_FORMS.map((one) => `as ${one}`), "twice"])
    expect(stored).toContain(`${PROMPT} text ${form} on responses`);
});
