// node scripts/assets.ts: writes dist/assets, the static files that the Worker serves. wrangler runs it before every bundle ([build] in
// wrangler.toml), and the tests run it before those in workerd. It writes only files that differ, each atomically, because several runs may
// write and read at the same time.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { buildSync } from "esbuild";
import { openApiDocument } from "../src/openapi/document.ts";
import { bundleClient } from "./client-bundle.ts";

const ROOT = join(import.meta.dirname, "..");
const CONSOLE = "src/console";
const ASSETS = join(ROOT, "dist/assets");
/** Sources by the path of the asset: a path in this repository, or the URL of a file in a package. */
const COPIED: Record<string, string> = {
  "docs/docs.html": "src/openapi/viewer/docs.html",
  "docs/docs.css": "src/openapi/viewer/docs.css",
  "docs/docs.js": "src/openapi/viewer/docs.js",
  "docs/swagger-ui.css": import.meta.resolve("swagger-ui-dist/swagger-ui.css"),
  "docs/swagger-ui-bundle.js": import.meta.resolve("swagger-ui-dist/swagger-ui-bundle.js"),
  // The license requires these.
  "docs/swagger-ui-bundle.js.LICENSE.txt": import.meta.resolve("swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt"),
  "docs/swagger-ui.LICENSE.txt": import.meta.resolve("swagger-ui-dist/LICENSE"),
  "docs/swagger-ui.NOTICE.txt": import.meta.resolve("swagger-ui-dist/NOTICE"),
  "console/icon.svg": `${CONSOLE}/icon.svg`,
  "console/preact.LICENSE.txt": new URL("LICENSE", import.meta.resolve("preact/package.json")).href,
  "console/charts.css.LICENSE.txt": import.meta.resolve("charts.css/LICENSE"),
};

const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
const files = new Map<string, Uint8Array>([
  ["openapi.json", Buffer.from(`${JSON.stringify(openApiDocument(version))}\n`)],
  ["client.js", Buffer.from(bundleClient({ minify: true }))],
]);
for (const [path, from] of Object.entries(COPIED))
  files.set(path, readFileSync(from.startsWith("file:") ? new URL(from) : join(ROOT, from)));
for (const [path, bytes] of consoleFiles()) files.set(path, bytes);
for (const [path, bytes] of files) put(path, bytes);
// Files of an older version would be deployed, too.
for (const entry of readdirSync(ASSETS, { withFileTypes: true, recursive: true })) {
  const file = join(entry.parentPath, entry.name);
  if (entry.isFile() && !files.has(relative(ASSETS, file).replaceAll("\\", "/"))) rmSync(file, { force: true });
}

/** One script, one stylesheet, and the page twice: the one for ENVIRONMENT=local says that it needs no credential. */
function consoleFiles(): [path: string, bytes: Uint8Array][] {
  const { outputFiles } = buildSync({
    absWorkingDir: ROOT,
    entryPoints: ["main.tsx", "console.css"].map((file) => ({ in: `${CONSOLE}/${file}`, out: "console" })),
    outdir: "dist",
    write: false,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2023",
    tsconfig: "src/console/tsconfig.json",
  });
  const page = readFileSync(join(ROOT, CONSOLE, "console.html"), "utf8");
  return [
    ...outputFiles.map(({ path, contents }): [string, Uint8Array] => [`console/${basename(path)}`, contents]),
    ["console/console.html", Buffer.from(page)],
    ["console/local.html", Buffer.from(page.replace('data-environment="production"', 'data-environment="local"'))],
  ];
}

function put(path: string, bytes: Uint8Array): void {
  const file = join(ASSETS, path);
  if (read(file)?.equals(bytes) === true) return;
  mkdirSync(dirname(file), { recursive: true });
  const temporary = join(ROOT, "dist", `${path.replaceAll("/", "-")}.${process.pid}`);
  writeFileSync(temporary, bytes);
  renameSync(temporary, file);
}

function read(file: string) {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
