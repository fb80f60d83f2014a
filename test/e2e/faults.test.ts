// Every fault of the emulator's menu over real HTTP on /ask, as JSON, as events and as a text stream: the response, whether SDKs may retry,
// and the number of upstream calls. The tests run concurrently, since many faults take time.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import {
  FORMS,
  type Form,
  NEEDS_SHORT_DEADLINES,
  promiseOf,
  type Refused,
  ROWS,
  type Row,
  STATUS,
  streamOutcome,
} from "./fault-table.ts";
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
/** Has short deadlines. A busy machine could miss them, so only the rows that need them run here. */
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

async function ask(
  name: string,
  form: string,
  fields: object,
  headers: Record<string, string> = {},
): Promise<[HttpResponse, string]> {
  const input = `${PROMPT} ${name} as ${form}`;
  const response = await (NEEDS_SHORT_DEADLINES.test(name) ? impatient : worker).ask(
    { input, model: `emulate/${name}`, ...fields },
    headers,
  );
  expect(response.ms).toBeLessThan(BOUND_MS);
  const received = emulator.received.filter(({ raw }) => raw.includes(JSON.stringify(input)));
  expect(received.length, "calls of upstream").toBe(ROWS[name]?.calls ?? 1);
  expect(new Set(received.map(({ headers: { host } }) => host)), "no redirect was followed").toEqual(
    new Set([new URL(emulator.url).host]),
  );
  return [response, `You said: "${input}".`];
}

function expectRefusal(response: HttpResponse, { status, code, param = "", final, retryAfter }: Refused): void {
  const error = errorOf(response);
  expect([response.status, error.code, error.param]).toEqual([status, code, param]);
  expect([response.headers["x-should-retry"], response.headers["retry-after"]]).toEqual([
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

test("every fault on the emulator's menu has a row in the fault table", async () => {
  const list = await fetch(`${emulator.url}/v1/models`, { headers: { authorization: `Bearer ${UPSTREAM_KEY}` } });
  const { data } = (await list.json()) as { data: { id: string }[] };
  const menu = data.flatMap(({ id }) => /^emulate\/([^/]+)/.exec(id)?.[1] ?? []);
  expect([...new Set(Object.keys(ROWS).map((name) => name.split("/")[0]))].toSorted()).toEqual(menu.toSorted());
});

const CHECKS: Record<Form, (name: string, row: Row) => Promise<void>> = {
  async JSON(name, row) {
    const [response, text] = await ask(name, "JSON", {});
    if (row.refused !== undefined) expectRefusal(response, row.refused);
    else expectAnswer(json(response), name, text);
  },
  async events(name, row) {
    const { refused, fails } = streamOutcome(row);
    const [response, text] = await ask(name, "events", { stream: true });
    if (refused !== undefined) {
      expectRefusal(response, refused);
      return;
    }
    const events = eventsOf(response);
    if (fails === undefined) {
      expectAnswer(endOf(events), name, text);
      return;
    }
    expect([...new Set(events.map(({ event }) => event))]).toEqual(
      fails.textFirst ? ["start", "text", "error"] : ["start", "error"],
    );
    expect(endOf(events)["code"]).toBe(fails.code);
  },
  async text(name, row) {
    const { refused, fails } = streamOutcome(row);
    const [response, text] = await ask(name, "text", { stream: true }, { accept: "text/plain" });
    if (refused !== undefined) expectRefusal(response, refused);
    else if (fails === undefined) {
      const answer = row.answer?.(text) ?? {};
      expect([response.status, response.broken, response.text]).toEqual([
        200,
        false,
        answer["text"] === "" ? (answer["refusal"] ?? "") : answer["text"],
      ]);
    } else if (fails.textFirst) {
      expect([response.status, response.broken]).toEqual([200, true]);
      expect(response.text).not.toBe("");
    } else {
      expect([response.status, errorOf(response).code]).toEqual([STATUS[fails.code], fails.code]);
    }
  },
};

for (const [name, row] of Object.entries(ROWS)) {
  for (const form of FORMS) {
    const promise = promiseOf(row, form);
    if (promise !== undefined) test.concurrent(`emulate/${name} as ${form}: ${promise}`, () => CHECKS[form](name, row));
  }
}
