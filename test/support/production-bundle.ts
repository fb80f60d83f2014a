// The bundle that `wrangler deploy` would upload, built once for all end-to-end tests.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

export default function setup(project: TestProject): () => void {
  const dir = mkdtempSync(join(tmpdir(), "uniapi-edge-bundle-"));
  execFileSync("wrangler", ["deploy", "--dry-run", "--outdir", dir], {
    stdio: "pipe",
    env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
  });
  project.provide("bundleDir", dir);
  return () => rmSync(dir, { recursive: true, force: true });
}
