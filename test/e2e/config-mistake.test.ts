// A mistake in src/config.ts stops the start of the deployed bundle, with its path and its remedy.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { bundleOf } from "./bundle.ts";
import { miniflareOf } from "./worker.ts";

test("mistakes in src/config.ts stop the start; all of them are listed with path and remedy", async () => {
  const logs: string[] = [];
  const bundle = bundleOf(readFileSync("test/fixtures/config-mistake.ts", "utf8"));
  const server = miniflareOf({ ENVIRONMENT: "local" }, (line) => logs.push(line), bundle);
  try {
    await expect(server.ready).rejects.toThrow("failed to start");
  } finally {
    // Stopping rejects with the start's failure again.
    await server.dispose().catch(() => undefined);
  }
  const output = logs.join("\n");
  expect(output).toContain("src/config.ts: presets.support.fallback[0]: must be a model name (a string)\n");
  expect(output).toContain(
    "src/config.ts: orgins: is not a setting: remove it, or use one of defaults, models, limits, cache, turns, continuity, presets, origins, callers, hooks, callbacks, prices, public_url, console\n",
  );
});
