// npm run failures: writes docs/failures.md out of the tests' own names.
import { writeFileSync } from "node:fs";
import { failuresPage } from "../test/support/failures-page.ts";

writeFileSync("docs/failures.md", failuresPage());
