// docs/failures.md, made out of the tests' own names: the fault table, and the tests about what goes wrong beside it. A unit test holds
// the page to it; `npm run failures` writes it.
import { readFileSync } from "node:fs";
import { menuModels } from "../emulator/menu.ts";
import { FORMS, promiseOf, promiseOnce, ROWS } from "../e2e/fault-table.ts";
import {
  RESPONSES_FORMS,
  RESPONSES_ROWS,
  responsesPromiseOf,
  responsesPromiseOnce,
} from "../e2e/fault-table-responses.ts";

/** Test files, and the heading under which their names stand. */
const LISTS: readonly (readonly [heading: string, file: string, suite?: string])[] = [
  ["Nobody listens, or everything fails at once", "test/e2e/faults-once.test.ts"],
  ["Clients that don't read", "test/e2e/back-pressure.test.ts"],
  ["Clients that leave", "test/e2e/disconnects.test.ts"],
  ["Clients that leave, with an Idempotency-Key", "test/worker/runs.test.ts", "clients that leave"],
  ["Clients that come back", "test/e2e/resume.test.ts"],
  ["Last-Event-ID", "test/worker/resume.test.ts"],
  ["A flight's object", "test/worker/runs.test.ts", "an object"],
  ["KV", "test/worker/kv-faults.test.ts"],
];

/** In the order of the file; of one suite, or of all with the suite in front. Formatted code needs no more of a parser. */
function namesIn(file: string, wanted?: string): string[] {
  const names: string[] = [];
  let suite = "";
  for (const [, indent = "", kind, quoted = ""] of readFileSync(file, "utf8").matchAll(
    /^( *)(describe|test)(?:\.concurrent)?\(\s*("(?:[^"\\]|\\.)*")/gm,
  )) {
    const name = JSON.parse(quoted) as string;
    if (kind === "describe") suite = name;
    else if (indent === "") names.push(...(wanted === undefined ? [name] : []));
    else if (wanted === undefined) names.push(suite === "" ? name : `${suite}: ${name}`);
    else if (wanted === suite) names.push(name);
  }
  return names;
}

function table(): string {
  const does = new Map(menuModels().map(({ id, description }) => [id.split("/")[1] ?? "", description]));
  const rows = Object.entries(ROWS).map(([name, row]) => {
    const cells = [...FORMS.map((form) => promiseOf(row, form)), promiseOnce(row)];
    return `| \`${name}\` | ${does.get(name.split("/")[0] ?? "") ?? ""} | ${cells.map((cell) => cell ?? "–").join(" | ")} |`;
  });
  return [
    "| `emulate/…` | UniAPI | as JSON | as events | as text | twice, one key |",
    "|---|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}

/** The rows that are not as on /ask. */
function responsesTable(): string {
  const rows = Object.entries(RESPONSES_ROWS).flatMap(([name, row]) => {
    const cells = [...RESPONSES_FORMS.map((form) => responsesPromiseOf(row, form)), responsesPromiseOnce(row)];
    const asked = ROWS[name] ?? {};
    const same = [promiseOf(asked, "JSON"), promiseOf(asked, "events"), promiseOnce(asked)].every(
      (cell, at) => cell === cells[at],
    );
    return same ? [] : [`| \`${name}\` | ${cells.map((cell) => cell ?? "–").join(" | ")} |`];
  });
  return ["| `emulate/…` | as JSON | as a stream | twice, one key |", "|---|---|---|---|", ...rows].join("\n");
}

export function failuresPage(): string {
  return `# When something fails

<!-- Made by \`npm run failures\` from the names of the tests, each of which runs against the Worker. Don't edit. -->

Every row is a fault that the emulator plays: \`curl localhost:8787/ask -d '{"model":"emulate/cut","input":"hi"}'\` under \`npm start\`.
"Final" means \`x-should-retry: false\`: the call may have been paid, or another try is hopeless. Nothing of a failure is stored in KV.
The last column is the same request sent twice with one \`Idempotency-Key\`, once as events and once as JSON; such a request always
asks UniAPI for a stream. "Kept" is one call and the same failure again; "anew" is a call for each.

${table()}

## On /v1/responses

Every row runs there, too, whole and as a stream. These differ: the Worker tries nothing again by itself, since SDKs do; a response that
failed is an object; and a stream that breaks ends in an \`error\` event without \`[DONE]\`, whose fields stand in it both flat and nested.

${responsesTable()}

${LISTS.map(
  ([heading, file, suite]) =>
    `## ${heading}\n\n${namesIn(file, suite)
      .map((name) => `* ${name}`)
      .join("\n")}\n`,
).join("\n")}`;
}
