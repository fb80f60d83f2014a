// Every fault of the emulator's menu over real HTTP on /ask, as JSON, as events and as a text stream: the response, whether SDKs may retry,
// and the number of upstream calls. The tests run concurrently, since many faults take time.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import { FAMILIES } from "../emulator/menu.ts";
import { checkAsk } from "./fault-checks.ts";
import { FORMS, type Form, NEEDS_SHORT_DEADLINES, promiseOf, ROWS, type Row } from "./fault-table.ts";
import { PROMPT, startWorker, UPSTREAM_KEY, type Worker } from "./worker.ts";

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

const check = (name: string, row: Row, form: Form): Promise<void> =>
  checkAsk(
    {
      worker: NEEDS_SHORT_DEADLINES.test(name) ? impatient : worker,
      emulator,
      name,
      row,
      input: `${PROMPT} ${name} as ${form}`,
    },
    form,
  );

test("every fault on the emulator's menu has a row in the fault table", async () => {
  const list = await fetch(`${emulator.url}/v1/models`, { headers: { authorization: `Bearer ${UPSTREAM_KEY}` } });
  const { data } = (await list.json()) as { data: { id: string }[] };
  // faults-families.test.ts has the families, each of which the list shows by its first member.
  const ofFamilies = new Set(FAMILIES.map(({ members }) => Object.keys(members)[0]));
  const menu = data
    .flatMap(({ id }) => /^emulate\/([^/]+)/.exec(id)?.[1] ?? [])
    .filter((name) => !ofFamilies.has(name));
  const names = Object.keys(ROWS).flatMap((name) => name.split("+").map((entry) => entry.split("/")[0]));
  const members = new Set(FAMILIES.flatMap((family) => Object.keys(family.members)));
  expect([...new Set(names)].filter((name) => name !== undefined && !members.has(name)).toSorted()).toEqual(
    menu.toSorted(),
  );
});

for (const [name, row] of Object.entries(ROWS)) {
  for (const form of FORMS) {
    const promise = promiseOf(row, form);
    if (promise !== undefined) test.concurrent(`emulate/${name} as ${form}: ${promise}`, () => check(name, row, form));
  }
}
