// Imports point one way. MATRIX says which folders each folder of src may import; nothing else may be imported.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { expect, test } from "vitest";

interface Row {
  /** Folders and files of src, for values and types. */
  imports?: readonly string[];
  /** For types only. */
  types?: readonly string[];
  packages?: readonly string[];
  /** Files of the same row may import each other. Default: true. */
  own?: false;
}

const CORE = ["contract", "core"];

/** The longest prefix of a file's path is its row. A row's folders include their subfolders. Inside core, CORE_ORDER decides. */
const MATRIX: Record<string, Row> = {
  contract: { packages: ["zod/mini"] },
  core: { imports: CORE, packages: ["zod/mini"] },
  platform: { imports: [...CORE, "platform/io"], own: false },
  "platform/io": { imports: CORE },
  "platform/upstream": { imports: [...CORE, "platform/io"] },
  gate: { imports: [...CORE, "gate"], types: ["deps.ts"] },
  "gate/token.ts": { imports: CORE, packages: ["jose"] },
  hooks: { imports: [...CORE, "hooks/sender.ts", "hooks/verify.ts", "hooks/payload.ts"], own: false },
  "hooks/senders.ts": { imports: [...CORE, "hooks"] },
  answer: { imports: CORE, types: ["deps.ts", "platform"] },
  jobs: { imports: [...CORE, "answer"], types: ["deps.ts", "platform"] },
  http: {
    imports: [
      ...CORE,
      "gate",
      "answer",
      "jobs",
      "hooks/sender.ts",
      "hooks/hook-event.ts",
      "hooks/senders.ts",
      "http/respond",
    ],
    types: ["deps.ts", "app-env.ts"],
    packages: ["hono"],
    own: false,
  },
  "http/middleware.ts": {
    imports: [...CORE, "gate", "http/respond"],
    types: ["deps.ts", "app-env.ts", "platform"],
    packages: ["hono"],
  },
  "http/respond": { imports: [...CORE, "answer"], types: ["deps.ts", "app-env.ts", "platform"], packages: ["hono"] },
  durable: {
    imports: [...CORE, "answer", "jobs", "isolate.ts"],
    types: ["deps.ts"],
    packages: ["cloudflare:workers", "cloudflare:workflows"],
  },
  client: { types: ["contract"] },
  // The parts of the console, from the bottom up.
  "console/lib": { imports: ["client/client.ts"], types: ["contract"], packages: ["preact"] },
  "console/ui": { types: ["console/lib"], packages: ["preact"] },
  "console/session": {
    imports: ["console/lib", "console/ui"],
    types: ["client/client.ts"],
    packages: ["preact"],
  },
  "console/chat/model": {
    imports: ["client/client.ts", "console/lib", "console/session"],
    types: ["contract"],
  },
  "console/chat/view": {
    imports: ["console/lib", "console/ui", "console/chat/model"],
    types: ["contract"],
    packages: ["preact"],
  },
  "console/usage": { imports: ["console/lib", "console/ui"], types: ["contract"], packages: ["preact"] },
  "console/jobs": {
    imports: ["console/lib", "console/ui", "console/session"],
    types: ["contract"],
    packages: ["preact"],
  },
  console: { imports: ["console"], packages: ["preact"] },
  openapi: { imports: [...CORE, "hooks/senders.ts"], packages: ["zod/mini"] },
  "openapi/viewer": {},
  "app-env.ts": { types: ["deps.ts", "platform"] },
  "app.ts": {
    imports: [...CORE, "gate", "http", "wire.ts"],
    types: ["deps.ts", "app-env.ts", "platform"],
    packages: ["hono"],
  },
  "config.ts": { imports: CORE },
  "deps.ts": { types: [...CORE, "platform"] },
  "index.ts": { imports: ["app.ts", "durable", "isolate.ts"] },
  "isolate.ts": { imports: ["wire.ts"], packages: ["#config"] },
  "wire.ts": { imports: [...CORE, "gate", "platform"], types: ["deps.ts"] },
};

/** Groups of core: each may import those before it. */
const CORE_ORDER = ["lib", "config", "upstream", "callers", "request", "reply", "turns", "cache", "jobs", "callbacks"];

interface Import {
  from: string;
  isType: boolean;
}

const STATEMENT =
  /(?:^|\n)\s*(?:import|export)\s+(?<type>type\s)?(?:(?<names>[^;"']*?)\sfrom\s*)?"(?<from>[^"]+)"|\bimport\(\s*["'](?<dynamic>[^"']+)["']\s*\)/g;

/** The modules that a source imports, re-exports, or loads with import(). */
function importsOf(source: string): Import[] {
  return [...source.matchAll(STATEMENT)].map(({ groups = {} }) => {
    const names = groups["names"] ?? "";
    const inline =
      /^\{[^}]*\}$/.test(names) &&
      names
        .slice(1, -1)
        .split(",")
        .every((name) => name.trim() === "" || name.trim().startsWith("type "));
    return { from: groups["from"] ?? groups["dynamic"] ?? "", isType: groups["type"] !== undefined || inline };
  });
}

const covers = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);

function rowOf(path: string): string | undefined {
  return Object.keys(MATRIX)
    .filter((key) => covers(path, key))
    .toSorted((a, b) => b.length - a.length)[0];
}

/** Why `path` (below src) may not have this import, or null. */
function refusal(path: string, { from, isType }: Import): string | null {
  const key = rowOf(path);
  const row = key === undefined ? undefined : MATRIX[key];
  if (row === undefined) return `${path} has no row`;
  const allows = (list: readonly string[] | undefined, target: string): boolean =>
    (list ?? []).some((folder) => covers(target, folder));
  if (!from.startsWith(".")) return allows(row.packages, from) ? null : `${path} may not import ${from}`;
  const target = posix.join(posix.dirname(path), from);
  const group = (file: string): number => CORE_ORDER.indexOf(/^core\/([^/]+)\//.exec(file)?.[1] ?? "");
  if (covers(path, "core") && covers(target, "core") && group(target) > group(path))
    return `${path} may not import ${target}: core/${CORE_ORDER[group(target)]} comes later`;
  const own = row.own !== false && rowOf(target) === key;
  if (own || allows(row.imports, target) || (isType && allows(row.types, target))) return null;
  return `${path} may not import ${isType ? "types of " : ""}${target}`;
}

const FILES = readdirSync("src", { withFileTypes: true, recursive: true })
  .filter((entry) => entry.isFile() && /\.[jt]sx?$/.test(entry.name) && entry.name !== "env.d.ts")
  .map(({ parentPath, name }) => posix.relative("src", posix.join(parentPath, name)));

test("MATRIX allows every import of src", () => {
  const refused = FILES.flatMap((path) =>
    importsOf(readFileSync(join("src", path), "utf8")).flatMap((entry) => refusal(path, entry) ?? []),
  );
  expect(refused).toEqual([]);
});

test("every row of MATRIX and every group of core matches files", () => {
  expect(Object.keys(MATRIX).filter((key) => !FILES.some((path) => rowOf(path) === key))).toEqual([]);
  const groups = new Set(FILES.filter((path) => covers(path, "core")).map((path) => dirname(path).split("/")[1]));
  expect([...groups].toSorted()).toEqual(CORE_ORDER.toSorted());
});

test.each([
  ["core/lib/json.ts", 'import { turnKey } from "../turns/turn.ts";', "core/turns comes later"],
  ["core/upstream/usage.ts", 'import type { Answer } from "../reply/trim.ts";', "core/reply comes later"],
  ["core/lib/json.ts", 'import { connect } from "node:net";', "may not import node:net"],
  ["core/reply/trim.ts", 'import type { Deps } from "../../deps.ts";', "may not import types of deps.ts"],
  ["contract/answer.ts", 'import { isRecord } from "../core/lib/json.ts";', "may not import core/lib/json.ts"],
  ["answer/upstream-call.ts", 'import { createStore } from "../platform/kv.ts";', "may not import platform/kv.ts"],
  ["platform/kv.ts", 'export { createLog } from "./log.ts";', "may not import platform/log.ts"],
  ["platform/kv.ts", 'void import("../app.ts");', "may not import app.ts"],
  ["hooks/github.ts", 'import {\n  standard,\n} from "./standard.ts";', "may not import hooks/standard.ts"],
  ["http/ask.ts", 'import "./jobs.ts";', "may not import http/jobs.ts"],
  ["gate/cors.ts", 'import { type Deps, a } from "../deps.ts";', "may not import deps.ts"],
  ["client/client.ts", 'import { isRecord } from "../core/lib/json.ts";', "may not import core/lib/json.ts"],
  [
    "console/session/runs.ts",
    'import type { Turn } from "../chat/model/conversation.ts";',
    "may not import types of console/chat/model/conversation.ts",
  ],
  [
    "console/chat/model/draft.ts",
    'import { SettingsPanel } from "../view/settings-panel.tsx";',
    "may not import console/chat/view/settings-panel.tsx",
  ],
  ["new-folder/a.ts", 'import "../deps.ts";', "has no row"],
])("%s may not contain %s", (path, source, why) => {
  const [entry] = importsOf(source);
  expect(entry && refusal(path, entry)).toContain(why);
});

test.each([
  ["answer/upstream-call.ts", 'import { type Store } from "../platform/kv.ts";'],
  ["core/turns/turn.ts", 'import { isRecord } from "../lib/json.ts";'],
  ["core/config/vars.ts", 'import * as z from "zod/mini";'],
  ["durable/run.ts", 'import { DurableObject } from "cloudflare:workers";'],
])("%s may contain %s", (path, source) => {
  expect(importsOf(source).map((entry) => refusal(path, entry))).toEqual([null]);
});
