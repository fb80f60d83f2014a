// A mistake in src/config.ts stops the start of what `wrangler deploy` uploads, and says where it is and what to do.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { miniflareOf } from "./worker.ts";

const ALIAS = "#config:./test/fixtures/config-mistake.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "uniapi-edge-mistake-"));
  execFileSync("wrangler", ["deploy", "--dry-run", "--outdir", dir, "--alias", ALIAS], {
    stdio: "pipe",
    env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
  });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test("a mistake in src/config.ts stops the start with its path and a sentence, every mistake at once", async () => {
  const logs: string[] = [];
  const server = miniflareOf({ ENVIRONMENT: "local" }, (line) => logs.push(line), dir);
  try {
    await expect(server.ready).rejects.toThrow("failed to start");
  } finally {
    // It says again why the start failed.
    await server.dispose().catch(() => undefined);
  }
  const said = logs.join("\n");
  expect(said).toContain("src/config.ts: presets.support.fallback[0]: must be a model name (a string)\n");
  expect(said).toContain('src/config.ts: orgins: is not a setting: did you mean "origins"?\n');
});
