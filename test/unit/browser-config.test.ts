// The config that docs/browser.md prints is valid, and the browser tests run with it.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { expect, test } from "vitest";
import tested from "../fixtures/config-browser.ts";
import { snippetIn } from "../support/doc-snippet.ts";

test("the documented config is part of the config of the browser tests", async () => {
  const folder = mkdtempSync(join(tmpdir(), "uniapi-edge-config-"));
  try {
    const { outputFiles } = buildSync({
      stdin: { contents: snippetIn("Config", "ts"), loader: "ts", resolveDir: "src" },
      bundle: true,
      format: "esm",
      write: false,
    });
    const file = join(folder, "config.mjs");
    writeFileSync(file, outputFiles[0]?.text ?? "");
    const { default: documented } = (await import(/* @vite-ignore */ file)) as { default: typeof tested };
    const { defaults, presets, origins, callers } = documented;
    expect(tested).toMatchObject({ defaults, presets, origins, callers: { sessions: callers.sessions } });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
