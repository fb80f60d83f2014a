// Installs the large SDKs of test/clients when their tests run, since the project itself doesn't need them.
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";

const DIR = join(import.meta.dirname, "..", "clients");

export default function setup(): void {
  // npm writes this file at the end of an installation.
  if (writtenAt("node_modules/.package-lock.json") >= writtenAt("package-lock.json")) return;
  // `npm install` may leave the file's old date if nothing changed. `npm ci` always writes it.
  execFileSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: DIR,
    stdio: ["ignore", "ignore", "inherit"],
  });
}

function writtenAt(file: string): number {
  return statSync(join(DIR, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
