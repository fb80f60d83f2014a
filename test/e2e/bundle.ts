// The production bundle, as it ships or with another file in place of src/config.ts.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { inject } from "vitest";

/** The bundle that `wrangler deploy` would upload. */
export const shippedBundle = (): string => readFileSync(join(inject("bundleDir"), "index.js"), "utf8");

/** @param config source text; the file lies two folders below the root, so it imports "../../src/core/config/define-config.ts" */
export function bundleOf(config: string): string {
  const dir = mkdtempSync(resolve("node_modules", ".config-"));
  try {
    writeFileSync(join(dir, "config.ts"), config);
    execFileSync("wrangler", ["deploy", "--dry-run", "--outdir", dir, "--alias", `#config:${join(dir, "config.ts")}`], {
      stdio: "pipe",
      env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
    });
    return readFileSync(join(dir, "index.js"), "utf8");
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
