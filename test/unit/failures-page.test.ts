// docs/failures.md is generated from the names of the tests.
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { failuresPage } from "../support/failures-page.ts";

test("docs/failures.md matches the names of the tests; otherwise run npm run failures", () => {
  expect(readFileSync("docs/failures.md", "utf8")).toBe(failuresPage());
});
