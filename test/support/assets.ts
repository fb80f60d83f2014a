// Builds dist/assets for tests in workerd. wrangler does so before it bundles; its vitest plugin does not.
import { execFileSync } from "node:child_process";

export default function setup(): void {
  execFileSync(process.execPath, ["scripts/assets.ts"], { stdio: "pipe" });
}
