// The bundle and the settings that `wrangler deploy` would upload.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, inject, test } from "vitest";

const KIB = 1_024;
const read = (path: string): string => readFileSync(path, "utf8");

test("the bundle is one file of at most 130 KiB gzipped", () => {
  const files = readdirSync(inject("bundleDir")).filter((name) => !/\.map$|^README\.md$/.test(name));
  expect(files).toEqual(["index.js"]);
  expect(gzipSync(read(join(inject("bundleDir"), "index.js"))).length).toBeLessThanOrEqual(130 * KIB);
});

test("the bundle contains no code of the emulator or of npm start", () => {
  const bundle = read(join(inject("bundleDir"), "index.js"));
  const start = read("scripts/start.ts");
  const constants = [...start.matchAll(/^const [A-Z_]+ = "([^"]+)"/gm)].map(([, value]) => value ?? "");
  expect(constants.length).toBeGreaterThanOrEqual(2);
  for (const text of [...constants, "emulate/", "emulator/"]) expect(bundle).not.toContain(text);
});

test("a deployment is production: no committed file contains local settings or secrets", () => {
  const toml = read("wrangler.toml");
  expect(toml).toMatch(/^ENVIRONMENT = "production"$/m);
  expect(toml.match(/^ENVIRONMENT\b/gm)).toHaveLength(1);
  expect(toml).not.toMatch(/^\s*(UNIAPI_KEY|SERVER_KEYS|ID_KEYS|DEADLINES)\b/m);
  expect(toml).not.toMatch(/^\s*\[(env\..*|secrets)\]/m);
  expect(read(".dev.vars.example")).not.toMatch(/ENVIRONMENT/);
  expect(read(".gitignore").split("\n")).toEqual(
    expect.arrayContaining([".dev.vars", ".production.vars", ".wrangler/"]),
  );
});
