// The files that are deployed beside the bundle, for tests in workerd: wrangler makes them before it bundles, the plugin of vitest does not.
import writeAssets from "../../scripts/assets.ts";

export default function setup(): void {
  writeAssets();
}
