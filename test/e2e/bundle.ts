// The production bundle with another file in the place of src/config.ts, for every test that needs one.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

/**
 * For a config that is written when the test runs.
 * @param config its text; a file two folders below the project's, so that it imports "../../src/core/define-config.ts"
 * @returns the folder that holds index.js, gone when the process ends
 */
export function bundleOf(config: string): string {
  const dir = mkdtempSync(resolve("node_modules", ".config-"));
  process.once("exit", () => rmSync(dir, { recursive: true, force: true }));
  const file = join(dir, "config.ts");
  writeFileSync(file, config);
  const bundle = join(dir, "bundle");
  execFileSync("wrangler", ["deploy", "--dry-run", "--outdir", bundle, "--alias", `#config:${file}`], {
    stdio: "pipe",
    env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
  });
  return bundle;
}
