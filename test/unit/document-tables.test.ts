// The tables of the documents hold what the code has, and nothing else: request and answer fields, stream events, problem codes, routes,
// commands, settings, secrets, bindings, folders.
import { readdirSync } from "node:fs";
import { posix } from "node:path";
import { describe, expect, test } from "vitest";
import { Answer, EVENTS } from "../../src/contract/answer.ts";
import {
  type OwnField,
  OWN_FIELDS,
  REFUSED_FIELDS,
  type RequestField,
  UPSTREAM_FIELDS,
} from "../../src/contract/request-fields.ts";
import { ConfigFields } from "../../src/core/config/config-schema.ts";
import { PROBLEMS } from "../../src/core/lib/problem.ts";
import { openApiDocument } from "../../src/openapi/document.ts";
import { codesIn, readText, rowsOf, sectionOf } from "../support/markdown.ts";

const sorted = (values: Iterable<string>): string[] => [...new Set(values)].toSorted();
/** Codes in the first cells of a section's tables. */
const firstCells = (page: string, heading: string): string[] =>
  rowsOf(sectionOf(page, heading)).flatMap(([cell = ""]) => codesIn(cell));

describe("docs/api.md", () => {
  /** What each row says of a field: its meaning, and whether a restricted caller may set it. */
  const REQUEST_ROWS = new Map(
    rowsOf(sectionOf("docs/api.md", "Request")).flatMap(([names = "", meaning = "", restricted = ""]) =>
      codesIn(names).map((name) => [name, { meaning, restricted }] as const),
    ),
  );
  const ASK_FIELDS = new Map<string, RequestField>(Object.entries<RequestField>(UPSTREAM_FIELDS));
  for (const [name, field] of Object.entries<OwnField>(OWN_FIELDS))
    if (field.in.includes("ask")) ASK_FIELDS.set(name, field);

  test("lists every request field of /ask, and no other", () => {
    expect(sorted(REQUEST_ROWS.keys())).toEqual(sorted([...ASK_FIELDS.keys(), ...Object.keys(REFUSED_FIELDS)]));
  });

  test.each([...ASK_FIELDS])("says of the request field %s what its row in the table of fields says", (name, field) => {
    const { meaning = "", restricted = "" } = REQUEST_ROWS.get(name) ?? {};
    expect(meaning).toBe(`${field.description}${name === "input" ? " Required." : ""}`);
    const listed = field.allowedAs === undefined ? "it" : `\`${field.allowedAs}\``;
    const expected = {
      always: /^(?:yes|`false` and `"refresh"`)/,
      allow: new RegExp(`^if the preset's \`allow\` lists ${listed}$`),
      images: /^if the preset's `images` permits them$/,
      never: /^no\b/,
    };
    expect(restricted).toMatch(expected[field.restricted]);
  });

  test("lists every answer field, and no other; those that are always present first", () => {
    const always = Answer.safeParse({}).error?.issues.map(({ path }) => String(path[0]));
    const [first = "", second = ""] = sectionOf("docs/api.md", "Answer").split("present only when they have content");
    const fieldsIn = (text: string): string[] => rowsOf(text).flatMap(([cell = ""]) => codesIn(cell));
    expect(sorted([...fieldsIn(first), ...fieldsIn(second)])).toEqual(sorted(Object.keys(Answer.shape)));
    expect(fieldsIn(first)).toEqual(always);
  });

  test("lists every problem with its status", () => {
    const listed = rowsOf(sectionOf("docs/api.md", "Errors")).flatMap(([status = "", codes = ""]) =>
      codesIn(codes).map((code) => `${status} ${code}`),
    );
    expect(sorted(listed)).toEqual(sorted(Object.entries(PROBLEMS).map(([code, [status]]) => `${status} ${code}`)));
  });
});

test.each(["docs/api.md", "docs/contract.md"])("%s lists every event of a stream with its data", (page) => {
  const section = sectionOf(page, page === "docs/api.md" ? "Stream" : "2. `POST /ask`");
  const rows = rowsOf(section).map(([names = "", data = ""]) => ({ names: codesIn(names), data }));
  expect(sorted(rows.flatMap(({ names }) => names))).toEqual(sorted(Object.keys(EVENTS)));
  for (const { names, data } of rows)
    for (const name of names) {
      const keys = Object.keys(EVENTS[name as keyof typeof EVENTS].shape);
      if (data.startsWith("`{")) expect(data, name).toContain(keys.map((key) => `"${key}"`).join(", "));
    }
});

describe("docs/contract.md", () => {
  test("lists every problem with its status", () => {
    const rows = rowsOf(sectionOf("docs/contract.md", "8. Errors, limits and log"));
    const statusesOf = new Map(
      rows.flatMap(([statuses = "", codes = ""]) =>
        codesIn(codes).map((code) => [code, statuses.split(", ")] as const),
      ),
    );
    const codes = [...statusesOf.keys()].filter((code) => /^[a-z_]+$/.test(code));
    expect(sorted(codes)).toEqual(sorted(Object.keys(PROBLEMS)));
    for (const [code, [status]] of Object.entries(PROBLEMS))
      expect(statusesOf.get(code), code).toContain(String(status));
  });

  test("lists every route of the API, and no other", () => {
    const listed = rowsOf(sectionOf("docs/contract.md", "0. Routes and commands").split("| command |")[0] ?? "")
      .flatMap(([cell = ""]) => codesIn(cell))
      .map((code) => code.replace(/^[A-Z]+ /, ""));
    const paths = Object.keys(openApiDocument("0").paths ?? {}).filter((path) => !path.startsWith("/responses"));
    expect(sorted(listed)).toEqual(sorted([...paths, "/openapi.json", "/docs", "/"]));
  });

  test("names every key of an answer, in order", () => {
    const json = /```json\n(\{ "id"[\s\S]*?)```/.exec(sectionOf("docs/contract.md", "2. `POST /ask`"))?.[1] ?? "";
    expect(Object.keys(JSON.parse(json) as object)).toEqual(Object.keys(Answer.shape));
  });
});
