// node scripts/assets.ts: writes dist/assets, the static files that the Worker serves. wrangler runs this script before every bundle ([build]
// in wrangler.toml), and vitest runs it before the tests in workerd. The script writes only files that differ, each atomically, because
// several processes may write and read at the same time.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { buildSync } from "esbuild";
import { openApiDocument } from "../src/openapi/document.ts";
import { bundleClient } from "./client-bundle.ts";

const ROOT = join(import.meta.dirname, "..");
const CONSOLE = "src/console";
const ASSETS = join(ROOT, "dist/assets");
/** The files to copy, by the path of the asset. A source is a path in this repository, or the URL of a file in a package. */
const COPIED: Record<string, string> = {
  "docs/docs.html": "src/openapi/viewer/docs.html",
  "docs/docs.css": "src/openapi/viewer/docs.css",
  "docs/docs.js": "src/openapi/viewer/docs.js",
  "docs/swagger-ui.css": import.meta.resolve("swagger-ui-dist/swagger-ui.css"),
  "docs/swagger-ui-bundle.js": import.meta.resolve("swagger-ui-dist/swagger-ui-bundle.js"),
  // Swagger UI's license requires these files.
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
for (const [path, source] of Object.entries(COPIED))
  files.set(path, readFileSync(source.startsWith("file:") ? new URL(source) : join(ROOT, source)));
for (const [path, bytes] of consoleFiles()) files.set(path, bytes);
for (const [path, bytes] of files) writeIfChanged(path, bytes);
// Removes the files of an older version. Otherwise they would be deployed, too.
for (const entry of readdirSync(ASSETS, { withFileTypes: true, recursive: true })) {
  const file = join(entry.parentPath, entry.name);
  if (entry.isFile() && !files.has(relative(ASSETS, file).replaceAll("\\", "/"))) rmSync(file, { force: true });
}

/** Builds one script, one stylesheet, and two versions of the page. The version for ENVIRONMENT=local says that no credential is needed. */
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

function writeIfChanged(path: string, bytes: Uint8Array): void {
  const file = join(ASSETS, path);
  if (readIfExists(file)?.equals(bytes) === true) return;
  mkdirSync(dirname(file), { recursive: true });
  const temporary = join(ROOT, "dist", `${path.replaceAll("/", "-")}.${process.pid}`);
  writeFileSync(temporary, bytes);
  renameSync(temporary, file);
}

function readIfExists(file: string) {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
