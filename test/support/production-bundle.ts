// Builds the bundle that `wrangler deploy` would upload, once for all end-to-end tests, and reads the bindings of wrangler.toml.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { unstable_getMiniflareWorkerOptions } from "wrangler";

export default function setup(project: TestProject): () => void {
  const dir = mkdtempSync(join(tmpdir(), "uniapi-edge-bundle-"));
  execFileSync("wrangler", ["deploy", "--dry-run", "--outdir", dir], {
    stdio: "pipe",
    env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
  });
  project.provide("bundleDir", dir);
  const { workerOptions } = unstable_getMiniflareWorkerOptions("./wrangler.toml");
  // Converts to plain data, without undefined values.
  project.provide("workerOptions", JSON.parse(JSON.stringify(workerOptions)) as { bindings: object });
  return () => rmSync(dir, { recursive: true, force: true });
}
