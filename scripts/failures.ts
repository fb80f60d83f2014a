// npm run failures: writes docs/failures.md from the names of the tests.
import { writeFileSync } from "node:fs";
import { failuresPage } from "../test/support/failures-page.ts";

writeFileSync("docs/failures.md", failuresPage());
