// .dev.vars.example is what the Deploy to Cloudflare button asks people for: each name that is not commented out becomes a secret of the
// deployed Worker, with the value that stands there unless somebody types another.
import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { expect, test } from "vitest";
import { secretMistakes } from "../../scripts/secrets-file.ts";
import { upstreamKeyOf } from "../../src/core/config/vars.ts";

const text = readFileSync(".dev.vars.example", "utf8");
const asked = parseEnv(text);

test("every line is empty, words, or a name without a value, commented out or not", () => {
  for (const line of text.split("\n")) expect(line).toMatch(/^(?:|# [^=]*|(?:# )?[A-Z][A-Z0-9_]*=)$/);
});

test("the button asks for what a deployment needs and for nothing else", () => {
  expect(asked).toEqual({ UNIAPI_KEY: "", SERVER_KEYS: "", ID_KEYS: "" });
});

test("deployed as it stands it lets nobody in, and asks UniAPI nothing", () => {
  expect(secretMistakes(asked as Record<string, string>).map((mistake) => mistake.split(" ")[0])).toEqual([
    "UNIAPI_KEY",
    "SERVER_KEYS",
    "ID_KEYS",
  ]);
  expect(() => upstreamKeyOf(asked["UNIAPI_KEY"])).toThrow("UNIAPI_KEY");
});

test("no line is a var of the Worker: none of them loosens a deployment", () => {
  for (const name of ["ENVIRONMENT", "UNIAPI_BASE_URL", "PAUSED", "DEADLINES"]) expect(text).not.toContain(name);
});

test("what the button asks for is described, vars of wrangler.toml included", () => {
  const { cloudflare } = JSON.parse(readFileSync("package.json", "utf8")) as {
    cloudflare: { bindings: Record<string, { description: string }> };
  };
  const vars = /^\[vars\]\n((?:\w+ = .*\n)+)/m.exec(readFileSync("wrangler.toml", "utf8"))?.[1] ?? "";
  const names = [...Object.keys(asked), ...vars.split("\n").flatMap((line) => /^\w+/.exec(line)?.[0] ?? [])];
  expect(Object.keys(cloudflare.bindings).toSorted()).toEqual(names.toSorted());
});
