// The tables of the documents match the code, row by row: request and answer fields, stream events, problem codes, routes,
// commands, settings, secrets, bindings, folders.
import { globSync, readdirSync } from "node:fs";
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
import { defineConfig } from "../../src/core/config/define-config.ts";
import { PROBLEMS } from "../../src/core/lib/problem.ts";
import { corsHeaders } from "../../src/gate/cors.ts";
import { openApiDocument } from "../../src/openapi/document.ts";
import { codesIn, proseOf, readText, rowsOf, sectionOf, tablesOf } from "../support/markdown.ts";

const sortUnique = (values: Iterable<string>): string[] => [...new Set(values)].toSorted();
/** Codes in the first cells of a section's tables. */
const firstCells = (page: string, heading: string): string[] =>
  rowsOf(sectionOf(page, heading)).flatMap(([cell = ""]) => codesIn(cell));

describe("docs/api.md", () => {
  /** The row of each field: its meaning, and whether a restricted caller may set it. */
  const REQUEST_ROWS = new Map(
    rowsOf(sectionOf("docs/api.md", "Request")).flatMap(([names = "", meaning = "", restricted = ""]) =>
      codesIn(names).map((name) => [name, { meaning, restricted }] as const),
    ),
  );
  const ASK_FIELDS = new Map<string, RequestField>(Object.entries<RequestField>(UPSTREAM_FIELDS));
  for (const [name, field] of Object.entries<OwnField>(OWN_FIELDS))
    if (field.in.includes("ask")) ASK_FIELDS.set(name, field);

  test("lists every request field of /ask, and no other", () => {
    expect(sortUnique(REQUEST_ROWS.keys())).toEqual(sortUnique([...ASK_FIELDS.keys(), ...Object.keys(REFUSED_FIELDS)]));
  });

  test.each([...ASK_FIELDS])("describes the request field %s as the table of fields does", (name, field) => {
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

  test("lists every answer field, and no other, with those that are always present first", () => {
    const always = Answer.safeParse({}).error?.issues.map(({ path }) => String(path[0]));
    const [first = "", second = ""] = sectionOf("docs/api.md", "Answer").split("present only when they have content");
    const fieldsIn = (text: string): string[] => rowsOf(text).flatMap(([cell = ""]) => codesIn(cell));
    expect(sortUnique([...fieldsIn(first), ...fieldsIn(second)])).toEqual(sortUnique(Object.keys(Answer.shape)));
    expect(fieldsIn(first)).toEqual(always);
  });

  test("lists every response header that a page can read, and no other", () => {
    const origin = "https://app.example.com";
    const config = defineConfig({ defaults: { model: "gpt-6-luna" }, origins: [origin] });
    const headers = corsHeaders(new Request("https://ask.example.com/ask", { headers: { origin } }), {
      config,
      local: false,
    });
    expect(sortUnique(firstCells("docs/api.md", "Headers"))).toEqual(
      headers["access-control-expose-headers"]?.split(", ").toSorted(),
    );
  });

  test("lists every problem with its status", () => {
    const listed = rowsOf(sectionOf("docs/api.md", "Errors")).flatMap(([status = "", codes = ""]) =>
      codesIn(codes).map((code) => `${status} ${code}`),
    );
    expect(sortUnique(listed)).toEqual(
      sortUnique(Object.entries(PROBLEMS).map(([code, [status]]) => `${status} ${code}`)),
    );
  });
});

test.each(["docs/api.md", "docs/contract.md"])("%s lists every event of a stream with its data", (page) => {
  const section = sectionOf(page, page === "docs/api.md" ? "Stream" : "2. `POST /ask`");
  const rows = rowsOf(section).map(([names = "", data = ""]) => ({ names: codesIn(names), data }));
  expect(sortUnique(rows.flatMap(({ names }) => names))).toEqual(sortUnique(Object.keys(EVENTS)));
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
    expect(sortUnique(codes)).toEqual(sortUnique(Object.keys(PROBLEMS)));
    for (const [code, [status]] of Object.entries(PROBLEMS))
      expect(statusesOf.get(code), code).toContain(String(status));
  });

  test("lists every route of the API, and no other", () => {
    const listed = rowsOf(sectionOf("docs/contract.md", "0. Routes and commands").split("| command |")[0] ?? "")
      .flatMap(([cell = ""]) => codesIn(cell))
      .map((code) => code.replace(/^[A-Z]+ /, ""));
    const paths = Object.keys(openApiDocument("0").paths ?? {}).filter((path) => !path.startsWith("/responses"));
    expect(sortUnique(listed)).toEqual(sortUnique([...paths, "/openapi.json", "/docs", "/"]));
  });

  test("names every key of an answer, in order", () => {
    const json = /```json\n(\{ "id"[\s\S]*?)```/.exec(sectionOf("docs/contract.md", "2. `POST /ask`"))?.[1] ?? "";
    expect(Object.keys(JSON.parse(json) as object)).toEqual(Object.keys(Answer.shape));
  });
});

/** A schema of zod/mini, as far as its settings are read here. */
interface Schema {
  def: {
    shape?: Record<string, Schema>;
    innerType?: Schema;
    element?: Schema;
    valueType?: Schema;
    in?: Schema;
    options?: readonly Schema[];
  };
}

/** Paths of the settings in a schema, with `*` for a name that the deployer chooses; UniAPI's own fields are omitted. */
function settingsOf({ def }: Schema, path = ""): string[] {
  const inner = [def.innerType, def.element, def.in, ...(def.options ?? [])].flatMap((one) =>
    one === undefined ? [] : settingsOf(one, path),
  );
  const values = def.valueType === undefined ? [] : settingsOf(def.valueType, `${path}.*`);
  const keys = Object.entries(def.shape ?? {}).flatMap(([key, schema]) => {
    if (Object.hasOwn(UPSTREAM_FIELDS, key) && (path === ".defaults" || path === ".presets.*")) return [];
    return [`${path}.${key}`, ...settingsOf(schema, `${path}.${key}`)];
  });
  return [...inner, ...values, ...keys];
}

describe("docs/configuration.md", () => {
  const text = readText("docs/configuration.md");
  const settings = sortUnique(settingsOf(ConfigFields as unknown as Schema));
  const nameOf = (path: string): string => path.split(".").at(-1) ?? "";
  /** Codes in the first column of tables whose head is one of these. */
  const listed = (...heads: string[]): string[] =>
    tablesOf(text)
      .filter(({ head }) => heads.some((start) => head[0]?.startsWith(start)))
      .flatMap(({ rows }) => rows.flatMap(([cell = ""]) => codesIn(cell)));

  test("names every setting of src/config.ts", () => {
    expect(settings.length).toBeGreaterThan(60);
    const words = new Set(codesIn(proseOf("docs/configuration.md")).flatMap((code) => code.match(/\w+/g) ?? []));
    expect(settings.filter((path) => !words.has(nameOf(path)))).toEqual([]);
  });

  test("lists no setting that src/config.ts does not have", () => {
    const isSetting = (code: string): boolean => settings.some((path) => path.endsWith(`.${code}`));
    const codes = listed("setting", "limit");
    expect(codes.length).toBeGreaterThan(40);
    expect(codes.filter((code) => !isSetting(code))).toEqual([]);
  });

  test("lists every secret and every var, and no other", () => {
    const sample = [...readText(".dev.vars.example").matchAll(/^(?:# )?([A-Z_]+)=/gm)].map(([, name = ""]) => name);
    const ofHooks = new Set(["GITHUB_WEBHOOK_SECRET", "GITHUB_TOKEN", "CRM_SECRET"]);
    expect(sortUnique(listed("secret"))).toEqual(sortUnique(sample.filter((name) => !ofHooks.has(name))));
    const vars = /^\[vars\]\n((?:\w+ = .*\n)+)/m.exec(readText("wrangler.toml"))?.[1] ?? "";
    const names = [...vars.matchAll(/^(\w+)/gm)].map(([, name = ""]) => name);
    expect(sortUnique(listed("var"))).toEqual(sortUnique([...names, "DEADLINES"]));
  });
});

test("docs/deploying.md and docs/contract.md list every secret", () => {
  const secrets = [...readText(".dev.vars.example").matchAll(/^(?:# )?([A-Z]+_KEYS?|TURNSTILE_SECRET)=/gm)].map(
    ([, name = ""]) => name,
  );
  expect(secrets.length).toBe(5);
  expect(firstCells("docs/deploying.md", "Every secret")).toEqual(expect.arrayContaining(secrets));
  expect(firstCells("docs/contract.md", "1. Settings")).toEqual(expect.arrayContaining(secrets));
});

test.each(["docs/contract.md", "docs/architecture.md"])("%s names every binding of wrangler.toml", (page) => {
  const bindings = [...readText("wrangler.toml").matchAll(/^(?:binding|name) = "([A-Z_]+)"$/gm)].map(
    ([, name = ""]) => name,
  );
  expect(bindings).toEqual(expect.arrayContaining(["RESPONSES", "RUNS", "JOBS", "RATE_LIMIT"]));
  const named = new Set(codesIn(proseOf(page)));
  expect(bindings.filter((name) => !named.has(name))).toEqual([]);
});

test.each(["docs/contract.md", "docs/architecture.md", "docs/storage.md"])(
  "%s names every kind of key in KV",
  (page) => {
    const kinds = globSync("src/**/*.ts").flatMap((file) =>
      [...readText(file).matchAll(/`([\w-]+:v\d+:)\$\{/g)].map(([, kind = ""]) => kind),
    );
    expect(kinds.length).toBe(4);
    expect(kinds.filter((kind) => !proseOf(page).includes(`${kind}<`))).toEqual([]);
  },
);

describe("docs/architecture.md", () => {
  /** Folders of src that have files, and the groups of core. */
  const files = readdirSync("src", { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => posix.relative("src", posix.join(parentPath, name)));
  const folders = files.flatMap((path) => (path.includes("/") ? [`src/${path.split("/")[0] ?? ""}`] : []));
  const groups = files.flatMap((path) => (/^core\/[^/]+\//.test(path) ? [path.split("/").slice(0, 2).join("/")] : []));
  const tables = tablesOf(sectionOf("docs/architecture.md", "Folders"));
  const listed = (head: string): string[] =>
    tables
      .filter((table) => table.head[0] === head)
      .flatMap(({ rows }) => rows.flatMap(([cell = ""]) => codesIn(cell)));

  test("has a row for every folder of src, and no other", () => {
    expect(sortUnique(listed("folder"))).toEqual(sortUnique(folders));
  });

  test("has a row for every group of core, in the order in which they may import each other", () => {
    expect(sortUnique(listed("group"))).toEqual(sortUnique(groups));
    const order = /CORE_ORDER = (\[[^\]]+\])/.exec(readText("test/unit/layers.test.ts"))?.[1] ?? "[]";
    expect(listed("group")).toEqual((JSON.parse(order) as string[]).map((group) => `core/${group}`));
  });
});
