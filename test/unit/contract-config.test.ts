// The sample config of docs/contract.md §1, with its "…" filled in, is valid.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type ConfigInput, defineConfig } from "../../src/core/config/define-config.ts";

test("the sample config of the contract is valid", () => {
  const page = readFileSync("docs/contract.md", "utf8");
  const code = /```ts\n(export default defineConfig\([\s\S]*?)```/.exec(page)?.[1] ?? "";
  const filled = code.replace("pk_…", "pk_0123456789abcdefghij").replace("export default", "return");
  // eslint-disable-next-line typescript/no-implied-eval -- the text is the repository's own
  const run = new Function("defineConfig", filled) as (define: (input: ConfigInput) => unknown) => unknown;
  expect(run(defineConfig)).toMatchObject({ defaults: { model: "gpt-6-luna" } });
});
