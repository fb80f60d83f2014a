// The files that are deployed beside the bundle, for tests in workerd: wrangler makes them before it bundles, the plugin of vitest does not.
import { execFileSync } from "node:child_process";

export default function setup(): void {
  execFileSync(process.execPath, ["scripts/assets.ts"], { stdio: "pipe" });
}
