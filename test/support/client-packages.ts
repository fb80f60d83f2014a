// The heavy clients of test/clients: installed when their tests run, not with the project's own packages.
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";

const DIR = join(import.meta.dirname, "..", "clients");

export default function setup(): void {
  // npm writes this file last.
  if (writtenAt("node_modules/.package-lock.json") >= writtenAt("package-lock.json")) return;
  // The hidden lock file may keep an old date where nothing changed: ci starts anew.
  execFileSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: DIR, stdio: ["ignore", "ignore", "inherit"] });
}

function writtenAt(file: string): number {
  return statSync(join(DIR, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
}
