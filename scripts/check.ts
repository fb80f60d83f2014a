// npm run check: runs all checks that do not run the Worker. A failed check does not stop the others, so that one run shows every failure.
import { spawnSync } from "node:child_process";
import installClients from "../test/support/client-packages.ts";

const CHECKS: readonly (readonly [label: string, command: string])[] = [
  ["generated types are fresh", "wrangler types src/env.d.ts --include-runtime=false --strict-vars=false --check"],
  ["client is up to date and at most 2 KiB", "node scripts/build-client.ts --check"],
  ["types of src", "tsc -p ."],
  ["types of the console", "tsc -p src/console"],
  ["types of tests and scripts", "tsc -p test"],
  ["types of tests in workerd", "tsc -p test/worker"],
  ["lint", "oxlint --type-aware"],
  ["format", "oxfmt --check"],
  ["dead code", "knip"],
];

// The tests with OpenAI's and other clients can't be type-checked without these packages.
installClients();
let failed = 0;
for (const [label, command] of CHECKS) {
  const [program = "", ...args] = command.split(" ");
  const run = spawnSync(program, args, { encoding: "utf8", env: { ...process.env, WRANGLER_SEND_METRICS: "false" } });
  const ok = run.status === 0;
  console.log(`${ok ? "ok  " : "FAIL"}  ${label}  (${command})`);
  if (ok) continue;
  failed += 1;
  console.log(run.stdout + run.stderr);
}
process.exit(failed === 0 ? 0 : 1);
