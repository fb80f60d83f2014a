// Bundles src/client into one ES module: for the package (client/index.js), and minified for pages (/client.js).
import { join } from "node:path";
import { buildSync } from "esbuild";

export function bundleClient(options: { minify: boolean }): string {
  const { outputFiles } = buildSync({
    absWorkingDir: join(import.meta.dirname, ".."),
    entryPoints: ["src/client/client.ts"],
    bundle: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    write: false,
    ...options,
  });
  return outputFiles[0]?.text ?? "";
}
