// npm run build:client: builds client/, the package's `uniapi-edge/client`, from src/client: one module, and tsc's type declarations for each
// file. Both are committed, so that the package needs no build. With --check, the script only reports whether both are up to date, and
// whether /client.js (written by scripts/assets.ts) is within its size limit.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { bundleClient } from "./client-bundle.ts";

/** The size limit of /client.js, the minified module that browsers load. */
const MAX_GZIP_BYTES = 2_048;
const GENERATED_HEADER = "// Generated from src/client by `npm run build:client`: edit there.\n";

const files = new Map([["index.js", GENERATED_HEADER + bundleClient({ minify: false })], ...declarations()]);
const problems: string[] = [];

const minified = bundleClient({ minify: true });
const size = gzipSync(minified, { level: 9 }).length;
console.log(`/client.js: ${minified.length} bytes, ${size} gzipped`);
if (size > MAX_GZIP_BYTES) problems.push(`/client.js has ${size} bytes gzipped; the limit is ${MAX_GZIP_BYTES}.`);

if (process.argv.includes("--check")) {
  for (const file of new Set([...files.keys(), ...filesIn("client")]))
    if (files.get(file) !== readIfExists(join("client", file)))
      problems.push(`client/${file} is out of date: run npm run build:client, and commit the result.`);
} else {
  rmSync("client", { recursive: true, force: true });
  mkdirSync("client/types", { recursive: true });
  for (const [file, text] of files) writeFileSync(join("client", file), text);
}
for (const problem of problems) console.error(problem);
process.exit(problems.length === 0 ? 0 : 1);

/**
 * Type declarations of src/client. They import only each other, because src/client/types.ts spells out the contract's types. Import paths
 * end in `.js`, since not every tool resolves `.ts` to a `.d.ts`.
 */
function declarations(): [file: string, text: string][] {
  const folder = mkdtempSync(join(tmpdir(), "uniapi-edge-client-"));
  try {
    execFileSync("tsc", ["-p", "src/client", "--outDir", folder], { stdio: "inherit" });
    return filesIn(join(folder, "client")).map((file) => [
      `types/${file}`,
      GENERATED_HEADER +
        readFileSync(join(folder, "client", file), "utf8").replaceAll(/(from "\.\/\w+)\.ts"/g, '$1.js"'),
    ]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) =>
      join(parentPath, name)
        .slice(folder.length + 1)
        .replaceAll("\\", "/"),
    );
}

function readIfExists(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
