// node scripts/assets.ts: writes dist/assets, the files that the Worker hands out beside its answers. wrangler runs it before every
// bundle ([build] in wrangler.toml), the tests before those in workerd. Only what differs is written, each file in one piece, since
// several may run at once and others read.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { openApiDocument } from "../src/openapi/document.ts";

const ROOT = join(import.meta.dirname, "..");
const ASSETS = join(ROOT, "dist/assets");
/** Of files of ours the path, of a package's what an import would name. */
const COPIED: Record<string, string> = {
  "docs/docs.html": "src/page/docs.html",
  "docs/docs.css": "src/page/docs.css",
  "docs/docs.js": "src/page/docs.js",
  "docs/swagger-ui.css": import.meta.resolve("swagger-ui-dist/swagger-ui.css"),
  "docs/swagger-ui-bundle.js": import.meta.resolve("swagger-ui-dist/swagger-ui-bundle.js"),
  // What its licence asks for.
  "docs/swagger-ui-bundle.js.LICENSE.txt": import.meta.resolve("swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt"),
  "docs/swagger-ui.LICENSE.txt": import.meta.resolve("swagger-ui-dist/LICENSE"),
  "docs/swagger-ui.NOTICE.txt": import.meta.resolve("swagger-ui-dist/NOTICE"),
};

const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
put("openapi.json", Buffer.from(`${JSON.stringify(openApiDocument(version))}\n`));
for (const [path, from] of Object.entries(COPIED)) put(path, readFileSync(from.startsWith("file:") ? new URL(from) : join(ROOT, from)));
// What an older version has left would be deployed, too.
for (const entry of readdirSync(ASSETS, { withFileTypes: true, recursive: true })) {
  const file = join(entry.parentPath, entry.name);
  const path = relative(ASSETS, file).replaceAll("\\", "/");
  if (entry.isFile() && path !== "openapi.json" && !(path in COPIED)) rmSync(file, { force: true });
}

function put(path: string, bytes: Buffer): void {
  const file = join(ASSETS, path);
  if (read(file)?.equals(bytes) === true) return;
  mkdirSync(dirname(file), { recursive: true });
  const aside = join(ROOT, "dist", `${path.replaceAll("/", "-")}.${process.pid}`);
  writeFileSync(aside, bytes);
  renameSync(aside, file);
}

function read(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
