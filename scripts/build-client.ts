// npm run build:client: src/client as one file for whoever imports it: client/index.js with its types (the package's `uniapi-edge/client`)
// and src/client/served.ts, the same minified, which the Worker serves as /client.js. All three are committed, so that nothing needs a
// build to start; with --check it only says whether they are fresh and the client small.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { buildSync } from "esbuild";

const ENTRY = "src/client/client.ts";
/** Of what browsers load. */
const MAX_GZIP_BYTES = 2_048;
const NOTE = "// Generated from src/client by `npm run build:client`: edit there.\n";

const minified = bundle(true);
const etag = createHash("sha256").update(minified).digest("base64url").slice(0, 22);
const files: Record<string, string> = {
  "client/index.js": NOTE + bundle(false),
  "client/index.d.ts": NOTE + declarations(),
  "src/client/served.ts": `${NOTE}export const served = { etag: '"${etag}"', text: ${JSON.stringify(minified)} };\n`,
};

const size = gzipSync(minified, { level: 9 }).length;
const problems =
  size > MAX_GZIP_BYTES ? [`/client.js has ${size} bytes gzipped: at most ${MAX_GZIP_BYTES} are promised.`] : [];
for (const [file, text] of Object.entries(files)) {
  if (!process.argv.includes("--check")) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  } else if (read(file) !== text)
    problems.push(`${file} is not what src/client makes: npm run build:client, and commit it.`);
}
console.log(`/client.js: ${minified.length} bytes, ${size} gzipped`);
for (const problem of problems) console.error(problem);
process.exit(problems.length === 0 ? 0 : 1);

function bundle(minify: boolean): string {
  const { outputFiles } = buildSync({
    entryPoints: [ENTRY],
    bundle: true,
    minify,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}

/** What the entry exports and whatever that mentions, from the declarations that tsc makes of each file. */
function declarations(): string {
  const dir = mkdtempSync(join(tmpdir(), "uniapi-edge-client-"));
  try {
    const options =
      "--ignoreConfig --declaration --emitDeclarationOnly --allowImportingTsExtensions --strict --exactOptionalPropertyTypes";
    const target =
      "--target es2024 --module esnext --moduleResolution bundler --types @cloudflare/workers-types --skipLibCheck";
    execFileSync("tsc", [ENTRY, ...options.split(" "), ...target.split(" "), "--rootDir", "src", "--outDir", dir], {
      stdio: "inherit",
    });
    const named = new Map<string, string>();
    const entry = join(dir, "client/client.ts");
    for (const name of statementsOf(entry).flatMap((text) => exported(text))) include(entry, name, name, named);
    return [...named.values()].join("");
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Adds a declaration, under the name that it has for its first user, after all that it mentions. */
function include(file: string, name: string, as: string, named: Map<string, string>): void {
  const statements = statementsOf(file);
  for (const [inner, outer, from] of statements.flatMap((text) => imported(text))) {
    if (outer === name) return include(resolve(dirname(file), from), inner, as, named);
  }
  const text = statements.find((statement) =>
    new RegExp(`^(?:export )?(?:declare )?(?:interface|type|class|function) ${name}\\b`, "m").test(statement),
  );
  if (text === undefined) throw new Error(`${file} has no declaration of ${name}`);
  const own = text.replace(
    new RegExp(`^(?:export )?(declare )?(interface|type|class|function) ${name}\\b`, "m"),
    `export $1$2 ${as}`,
  );
  if (named.has(as)) {
    if (named.get(as) !== own) throw new Error(`two declarations are called ${as}`);
    return;
  }
  named.set(as, own);
  for (const other of statements) {
    for (const [inner, outer, from] of imported(other)) {
      if (mentions(text, outer)) include(resolve(dirname(file), from), inner, outer, named);
    }
    const local = /^(?:export )?(?:declare )?(?:interface|type|class) (\w+)/m.exec(other)?.[1];
    if (local !== undefined && local !== name && mentions(text, local)) include(file, local, local, named);
  }
}

/** Top-level statements, each with the comment before it. */
function statementsOf(file: string): string[] {
  const text = readFileSync(file.replace(/\.ts$/, ".d.ts"), "utf8");
  return text.split(/(?<=[;}]\n)(?=\/\*\*|export |import |interface |declare |type )/);
}

function imported(statement: string): [inner: string, outer: string, from: string][] {
  const [, list = "", from = ""] = /^(?:import|export)(?: type)? \{ (.*) \} from "(.*)";/.exec(statement) ?? [];
  return list.split(", ").flatMap((one) => {
    const [, inner, outer = inner] = /^(?:type )?(\w+)(?: as (\w+))?$/.exec(one) ?? [];
    return inner === undefined || outer === undefined ? [] : [[inner, outer, from]];
  });
}

function exported(statement: string): string[] {
  const own = /^export (?:declare )?(?:interface|type|class|function) (\w+)/m.exec(statement)?.[1];
  return own === undefined
    ? statement.startsWith("export")
      ? imported(statement).map(([, outer]) => outer)
      : []
    : [own];
}

function mentions(text: string, name: string): boolean {
  return new RegExp(`\\b${name}\\b`).test(text.replaceAll(/\/\*\*[\s\S]*?\*\//g, ""));
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
