// The emulator's whole menu of faults over real HTTP, asked as JSON, as events and as bare text: what the caller meets, whether an SDK
// may try again, how often upstream was called. Runs at once, since many faults are about time; none may take long.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import {
  FORMS,
  type Form,
  HURRIED,
  promiseOf,
  type Refused,
  ROWS,
  type Row,
  STATUS,
  streamedOf,
} from "./fault-table.ts";
import { endOf, errorOf, eventsOf, type Got, json, PROMPT, startWorker, UPSTREAM_KEY, type Worker } from "./worker.ts";

const BOUND_MS = 10_000;

let emulator: Emulator;
let worker: Worker;
/** With deadlines that a test can wait for; a busy machine might miss them for other reasons, so only these rows have them. */
let hurried: Worker;
beforeAll(async () => {
  emulator = await startEmulator({ key: UPSTREAM_KEY });
  worker = await startWorker(emulator.url);
  hurried = await startWorker(emulator.url, { DEADLINES: '{"upstream_first_byte":400,"upstream_idle":400}' });
});
afterAll(async () => {
  await worker.stop();
  await hurried.stop();
  await emulator.close();
});

async function ask(
  name: string,
  form: string,
  fields: object,
  headers: Record<string, string> = {},
): Promise<[Got, string]> {
  const input = `${PROMPT} ${name} as ${form}`;
  const got = await (HURRIED.test(name) ? hurried : worker).ask(
    { input, model: `emulate/${name}`, ...fields },
    headers,
  );
  expect(got.ms).toBeLessThan(BOUND_MS);
  const received = emulator.received.filter(({ raw }) => raw.includes(JSON.stringify(input)));
  expect(received.length, "calls of upstream").toBe(ROWS[name]?.calls ?? 1);
  expect(new Set(received.map(({ headers: { host } }) => host)), "no redirect was followed").toEqual(
    new Set([new URL(emulator.url).host]),
  );
  return [got, `You said: "${input}".`];
}

function expectRefusal(got: Got, { status, code, param = "", final, retryAfter }: Refused): void {
  const error = errorOf(got);
  expect([got.status, error.code, error.param]).toEqual([status, code, param]);
  expect([got.headers["x-should-retry"], got.headers["retry-after"]]).toEqual([
    final ? "false" : undefined,
    retryAfter,
  ]);
}

function expectAnswer(answer: Record<string, unknown>, name: string, text: string): void {
  expect(answer).toEqual({
    id: expect.stringMatching(/^resp_ue1_[\w-]{1,247}$/),
    previous_response_id: null,
    created_at: expect.any(Number),
    model: `emulator/emulate/${name}`,
    status: "completed",
    usage: expect.any(Object),
    ...ROWS[name]?.answer?.(text),
  });
}

test("every fault on the menu has its row", async () => {
  const list = await fetch(`${emulator.url}/v1/models`, { headers: { authorization: `Bearer ${UPSTREAM_KEY}` } });
  const { data } = (await list.json()) as { data: { id: string }[] };
  const menu = data.flatMap(({ id }) => /^emulate\/([^/]+)/.exec(id)?.[1] ?? []);
  expect([...new Set(Object.keys(ROWS).map((name) => name.split("/")[0]))].toSorted()).toEqual(menu.toSorted());
});

const CHECKS: Record<Form, (name: string, row: Row) => Promise<void>> = {
  async JSON(name, row) {
    const [got, text] = await ask(name, "JSON", {});
    if (row.refused !== undefined) expectRefusal(got, row.refused);
    else expectAnswer(json(got), name, text);
  },
  async events(name, row) {
    const { refused, fails } = streamedOf(row);
    const [got, text] = await ask(name, "events", { stream: true });
    if (refused !== undefined) {
      expectRefusal(got, refused);
      return;
    }
    const events = eventsOf(got);
    if (fails === undefined) {
      expectAnswer(endOf(events), name, text);
      return;
    }
    expect([...new Set(events.map(({ event }) => event))]).toEqual(
      fails.said ? ["start", "text", "error"] : ["start", "error"],
    );
    expect(endOf(events)["code"]).toBe(fails.code);
  },
  async text(name, row) {
    const { refused, fails } = streamedOf(row);
    const [got, text] = await ask(name, "text", { stream: true }, { accept: "text/plain" });
    if (refused !== undefined) expectRefusal(got, refused);
    else if (fails === undefined) {
      const answer = row.answer?.(text) ?? {};
      expect([got.status, got.broke, got.text]).toEqual([
        200,
        false,
        answer["text"] === "" ? (answer["refusal"] ?? "") : answer["text"],
      ]);
    } else if (fails.said) {
      expect([got.status, got.broke]).toEqual([200, true]);
      expect(got.text).not.toBe("");
    } else {
      expect([got.status, errorOf(got).code]).toEqual([STATUS[fails.code], fails.code]);
    }
  },
};

for (const [name, row] of Object.entries(ROWS)) {
  for (const form of FORMS) {
    const promise = promiseOf(row, form);
    if (promise !== undefined)
      test.concurrent(`emulate/${name}, asked for as ${form}: ${promise}`, () => CHECKS[form](name, row));
  }
}
