// The Deploy to Cloudflare button reads .dev.vars.example. It asks for each name that is not commented out and makes it a secret of the
// deployed Worker. The value in the file is the default.
import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { expect, test } from "vitest";
import { secretMistakes } from "../../scripts/secrets-file.ts";
import { upstreamKeyOf } from "../../src/core/config/vars.ts";

const text = readFileSync(".dev.vars.example", "utf8");
const secrets = parseEnv(text);

test("every line of .dev.vars.example is empty, a comment, or a name without a value", () => {
  for (const line of text.split("\n")) expect(line).toMatch(/^(?:|# [^=]*|(?:# )?[A-Z][A-Z0-9_]*=)$/);
});

test("the button asks for exactly the secrets that a deployment needs", () => {
  expect(secrets).toEqual({ UNIAPI_KEY: "", SERVER_KEYS: "", ID_KEYS: "" });
});

test("a Worker deployed with these defaults admits nobody and never calls UniAPI", () => {
  expect(secretMistakes(secrets as Record<string, string>).map((mistake) => mistake.split(" ")[0])).toEqual([
    "UNIAPI_KEY",
    "SERVER_KEYS",
    "ID_KEYS",
  ]);
  expect(() => upstreamKeyOf(secrets["UNIAPI_KEY"])).toThrow("UNIAPI_KEY");
});

test("no line of .dev.vars.example sets a var that could weaken a deployment", () => {
  for (const name of ["ENVIRONMENT", "UNIAPI_BASE_URL", "PAUSED", "DEADLINES"]) expect(text).not.toContain(name);
});

test("package.json describes everything that the button asks for, including the vars of wrangler.toml", () => {
  const { cloudflare } = JSON.parse(readFileSync("package.json", "utf8")) as {
    cloudflare: { bindings: Record<string, { description: string }> };
  };
  const vars = /^\[vars\]\n((?:\w+ = .*\n)+)/m.exec(readFileSync("wrangler.toml", "utf8"))?.[1] ?? "";
  const names = [...Object.keys(secrets), ...vars.split("\n").flatMap((line) => /^\w+/.exec(line)?.[0] ?? [])];
  expect(Object.keys(cloudflare.bindings).toSorted()).toEqual(names.toSorted());
});
