// The families of the emulator's menu over real HTTP, on /ask and on /v1/responses. One test runs the members of a group, and lists those
// with another outcome. SWEEP=1 runs every member in every form; otherwise a sample of a large group runs.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import { FAMILIES } from "../emulator/menu.ts";
import { type Case, checkAsk } from "./fault-checks.ts";
import { checkResponses } from "./fault-checks-responses.ts";
import { type Group, GROUPS } from "./fault-table-families.ts";
import { FORMS, promiseOf } from "./fault-table.ts";
import { RESPONSES_FORMS, responsesPromiseOf, responsesRow } from "./fault-table-responses.ts";
import { PROMPT, startWorker, UPSTREAM_KEY, type Worker } from "./worker.ts";

const IS_SWEEP = process.env["SWEEP"] === "1";
/** Requests at the same time, in all tests together. */
const PARALLEL = 8;

let emulator: Emulator;
/** The rate limit allows a caller 600 requests in a minute, so each Worker gets fewer. */
const REQUESTS_MAX = 500;
const workers: Promise<Worker>[] = [];
let requests = 0;
beforeAll(async () => {
  emulator = await startEmulator({ key: UPSTREAM_KEY });
});
afterAll(async () => {
  for (const worker of workers) await (await worker).stop();
  await emulator.close();
});

async function nextWorker(): Promise<Worker> {
  if (requests % REQUESTS_MAX === 0) workers.push(startWorker(emulator.url));
  requests += 1;
  return (await workers.at(-1)) ?? expect.fail("no Worker");
}

const caseOf = async ({ base, row }: Group, name: string, sent: string): Promise<Case> => ({
  worker: await nextWorker(),
  emulator,
  name: `${base}+${name}`,
  row,
  input: `${PROMPT} ${base} ${name} ${sent}`,
});

const waiting: (() => void)[] = [];
let running = 0;

async function inTurn(run: () => Promise<void>): Promise<void> {
  if (running >= PARALLEL) await new Promise<void>((resolve) => waiting.push(resolve));
  running += 1;
  await run().finally(() => {
    running -= 1;
    waiting.shift()?.();
  });
}

/** What is wrong with each member, by its name. */
async function wrongIn(
  names: readonly string[],
  check: (name: string) => Promise<void>,
): Promise<Record<string, string>> {
  const wrong: Record<string, string> = {};
  const note = (name: string) => (error: unknown) => {
    wrong[name] = String(error).slice(0, 500);
  };
  await Promise.all(names.map((name) => inTurn(() => check(name)).catch(note(name))));
  return wrong;
}

const SAMPLE = 2;

/** A sample spread evenly over the group. */
const sampled = ({ names }: Group): readonly string[] =>
  IS_SWEEP ? names : names.filter((_, at) => at % Math.ceil(names.length / SAMPLE) === 0);

test("every member of a family is in one group of the fault table", () => {
  const members = FAMILIES.filter(({ pattern }) => !pattern.startsWith("forgets-")).flatMap((family) =>
    Object.keys(family.members),
  );
  expect(GROUPS.flatMap(({ names }) => names).toSorted()).toEqual(members.toSorted());
});

for (const group of GROUPS) {
  const { pattern, only, base, row, streamOnly } = group;
  const title = `emulate/${base}+${pattern}${only === undefined ? "" : ` (${only})`}`;
  for (const form of FORMS) {
    if ((form === "text" && !IS_SWEEP) || (form === "JSON" && streamOnly === true)) continue;
    const promise = promiseOf(row, form);
    test.concurrent(`${title} as ${form}: ${promise}`, async () => {
      const names = sampled(group);
      expect(await wrongIn(names, async (name) => checkAsk(await caseOf(group, name, `as ${form}`), form))).toEqual({});
    });
  }
  for (const form of RESPONSES_FORMS) {
    if (form === "JSON" && streamOnly === true) continue;
    const responses = responsesRow(pattern, row);
    test.concurrent(`${title} on /v1/responses as ${form}: ${responsesPromiseOf(responses, form)}`, async () => {
      const check = async (name: string): Promise<void> =>
        checkResponses({ ...(await caseOf(group, name, `on responses as ${form}`)), row: responses }, form);
      expect(await wrongIn(sampled(group), check)).toEqual({});
    });
  }
}
