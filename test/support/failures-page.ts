// Generates docs/failures.md from the names of the tests: the fault table, and lists of other tests of failures. `npm run failures` writes
// the page, and a unit test compares it.
import { readFileSync } from "node:fs";
import { ERROR_FORMS, WHATS } from "../emulator/error-families.ts";
import { FAMILIES, menuModels } from "../emulator/menu.ts";
import { GROUPS } from "../e2e/fault-table-families.ts";
import { FORMS, promiseOf, promiseOnce, ROWS } from "../e2e/fault-table.ts";
import {
  RESPONSES_FORMS,
  RESPONSES_ROWS,
  responsesPromiseOf,
  responsesPromiseOnce,
  responsesRow,
} from "../e2e/fault-table-responses.ts";

/** A heading for the test names of a file, or of one of its suites. */
const LISTS: readonly (readonly [heading: string, file: string, suite?: string])[] = [
  ["No upstream, or many failures at once", "test/e2e/faults-once.test.ts"],
  ["Conversations and items that upstream has lost", "test/e2e/faults-followups.test.ts"],
  ["Clients that stop reading", "test/e2e/back-pressure.test.ts"],
  ["Clients that disconnect", "test/e2e/disconnects.test.ts"],
  ["Clients that disconnect, with an Idempotency-Key", "test/worker/runs.test.ts", "clients that disconnect"],
  ["Clients that resume", "test/e2e/resume.test.ts"],
  ["Last-Event-ID", "test/worker/resume.test.ts"],
  ["A run's object", "test/worker/runs.test.ts", "a run's object"],
  ["KV", "test/worker/kv-faults.test.ts"],
];

/** The names of a file's tests in order: those of one suite, or all, with the name of the suite in front. Relies on formatted code. */
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
  if (names.length === 0)
    throw new Error(`${file} has no tests ${wanted === undefined ? "" : `in a suite "${wanted}"`}`);
  return names;
}

const DESCRIPTIONS = new Map(
  menuModels().map(({ id, description }) => [id.replace(/^emulate\/|\/\d+$/g, ""), description]),
);

/** Entries that only make the answer in which a fault shows. */
const BASES = new Set(["everything", "reasons"]);

/** The descriptions of a name's faults. */
function describe(name: string): string {
  const entries = name.split("+").map((entry) => entry.split("/")[0] ?? "");
  const faults = entries.length === 1 ? entries : entries.filter((entry) => !BASES.has(entry));
  return faults.map((entry) => DESCRIPTIONS.get(entry) ?? describeMember(entry)).join(". ");
}

function describeMember(name: string): string {
  const form = ERROR_FORMS[name];
  if (form !== undefined) return `${WHATS[form.what]?.code ?? ""} in the form ${form.dress}, place: ${form.place}`;
  return FAMILIES.find(({ members }) => Object.hasOwn(members, name))?.description ?? "";
}

function table(): string {
  const rows = Object.entries(ROWS).map(([name, row]) => {
    const cells = [...FORMS.map((form) => promiseOf(row, form)), promiseOnce(row)];
    return `| \`${name}\` | ${describe(name)} | ${cells.map((cell) => cell ?? "–").join(" | ")} |`;
  });
  return [
    "| `emulate/…` | UniAPI | as JSON | as events | as text | twice with one key |",
    "|---|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}

/** One row for each group of alike faults. JSON has none of the faults that are in a stream alone. */
function familiesTable(): string {
  const rows = GROUPS.map(({ pattern, only, base, names, row, streamOnly }) => {
    const responses = responsesRow(pattern, row);
    const cells = [
      streamOnly === true ? "–" : promiseOf(row, "JSON"),
      promiseOf(row, "events"),
      streamOnly === true ? "–" : responsesPromiseOf(responses, "JSON"),
      responsesPromiseOf(responses, "stream"),
    ];
    const name = base === "text" ? pattern : `${base}+${pattern}`;
    return `| \`${name}\`${only === undefined ? "" : `, ${only}`} | ${names.length} | ${cells.join(" | ")} |`;
  });
  return [
    "| `emulate/…` | entries | /ask as JSON | /ask as events | /v1/responses as JSON | /v1/responses as a stream |",
    "|---|---|---|---|---|---|",
    ...rows,
  ].join("\n");
}

const families = (): string =>
  FAMILIES.map(
    ({ pattern, description, members }) =>
      `* \`${pattern}\`: ${description}. ${Object.keys(members).length} entries, such as \`${Object.keys(members)[0]}\`.`,
  ).join("\n");

/** The rows that differ from those of /ask. */
function responsesTable(): string {
  const rows = Object.entries(RESPONSES_ROWS).flatMap(([name, row]) => {
    const cells = [...RESPONSES_FORMS.map((form) => responsesPromiseOf(row, form)), responsesPromiseOnce(row)];
    const askRow = ROWS[name] ?? {};
    const same = [promiseOf(askRow, "JSON"), promiseOf(askRow, "events"), promiseOnce(askRow)].every(
      (cell, at) => cell === cells[at],
    );
    return same ? [] : [`| \`${name}\` | ${cells.map((cell) => cell ?? "–").join(" | ")} |`];
  });
  return ["| `emulate/…` | as JSON | as a stream | twice with one key |", "|---|---|---|---|", ...rows].join("\n");
}

export function failuresPage(): string {
  return `# When something fails

<!-- Generated by \`npm run failures\` from the names of the tests, each of which runs against the Worker. Don't edit. -->

Every row is a fault that the emulator plays. Try it with \`npm start\` and \`curl localhost:8787/ask -d '{"model":"emulate/cut","input":"hi"}'\`.
"Final" means \`x-should-retry: false\`: the call may have been paid, or a retry can't succeed. No part of a failure is stored in KV.
The last column is the same request sent twice with one \`Idempotency-Key\`, once as events and once as JSON. Such a request always
requests a stream from UniAPI. "One failure, stored" is one call, and the second request gets the same failure. "A call for each" is two calls.

${table()}

Several entries joined by \`+\` change one answer together, as in \`everything+no-indexes\`. An ordinary name may come first, for SDKs that
judge a model by its name: \`gpt-6-sol/emulate/shares-nothing\`.

## On /v1/responses

The tests run every row there, too, as JSON and as a stream. These rows differ: the Worker doesn't retry, since SDKs do. Errors have OpenAI's
\`type\` and \`code\`; the code shown here is their \`detail_code\`. A stream that fails ends in an \`error\` event, which has the error's fields
both flat and nested, and in \`response.failed\` with the object so far, without \`[DONE]\`.

${responsesTable()}

## Families

Faults that differ in one part of their name: the event, the field, the form.

${families()}

Each group below has the same outcome. \`SWEEP=1 npx vitest run --project e2e test/e2e/faults-families.test.ts\` takes every entry in every form;
without it, each group has a sample. A dash means that JSON has no such fault, or that only a stream has the same content twice.

${familiesTable()}

${LISTS.map(
  ([heading, file, suite]) =>
    `## ${heading}\n\n${namesIn(file, suite)
      .map((name) => `* ${name}`)
      .join("\n")}\n`,
).join("\n")}`;
}
