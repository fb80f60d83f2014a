import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { failuresPage } from "../support/failures-page.ts";

test("docs/failures.md is what the tests are named: if not, run npm run failures", () => {
  expect(readFileSync("docs/failures.md", "utf8")).toBe(failuresPage());
});
