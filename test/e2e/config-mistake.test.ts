// A mistake in src/config.ts stops the start of what `wrangler deploy` uploads, and says where it is and what to do.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { bundleOf } from "./bundle.ts";
import { miniflareOf } from "./worker.ts";

test("a mistake in src/config.ts stops the start with its path and a sentence, every mistake at once", async () => {
  const logs: string[] = [];
  const bundle = bundleOf(readFileSync("test/fixtures/config-mistake.ts", "utf8"));
  const server = miniflareOf({ ENVIRONMENT: "local" }, (line) => logs.push(line), bundle);
  try {
    await expect(server.ready).rejects.toThrow("failed to start");
  } finally {
    // It says again why the start failed.
    await server.dispose().catch(() => undefined);
  }
  const said = logs.join("\n");
  expect(said).toContain("src/config.ts: presets.support.fallback[0]: must be a model name (a string)\n");
  expect(said).toContain('src/config.ts: orgins: is not a setting: remove it, or use one of defaults, models, limits, cache, turns, continuity, presets, origins, callers, hooks, callbacks, prices, public_url, console\n');
});
