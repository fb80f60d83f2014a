import { cloudflareTest } from "@cloudflare/vitest-pool-workers";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // Every request writes its log line; only those of a test that fails are of interest.
    silent: "passed-only",
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], environment: "node" } },
      {
        plugins: [
          cloudflareTest({
            wrangler: { configPath: "./wrangler.toml" },
            // A developer's .dev.vars must not reach the tests.
            miniflare: {
              bindings: {
                ENVIRONMENT: "local",
                UNIAPI_KEY: "sk-canary-4f9d2c7b1e8a",
                SERVER_KEYS: "",
                ID_KEYS: "",
                UNIAPI_BASE_URL: "http://127.0.0.1:9",
              },
            },
          }),
        ],
        test: {
          name: "worker",
          include: ["test/worker/**/*.test.ts"],
          globalSetup: ["test/support/shared-emulator.ts", "test/support/issuer.ts"],
        },
      },
      {
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts", "test/clients/**/*.test.ts", "test/browser/**/*.test.ts"],
          environment: "node",
          globalSetup: ["test/support/production-bundle.ts", "test/support/client-packages.ts"],
          testTimeout: 30_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
