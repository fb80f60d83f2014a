import { cloudflareTest } from "@cloudflare/vitest-pool-workers";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // Every request writes its log line; only those of a test that fails are of interest.
    silent: "passed-only",
    // Most tests wait for a Worker: one fewer than cores, as Vitest has it, would leave two cores idle.
    maxWorkers: 3,
    projects: [
      // Pure functions for the most part: what a file starts anew is put back by itself, and half of the time was to load modules again.
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], environment: "node", isolate: false } },
      {
        plugins: [
          cloudflareTest(({ inject }) => ({
            wrangler: { configPath: "./wrangler.toml" },
            // A developer's .dev.vars must not reach the tests. Objects have these settings, whatever a test gives to its router.
            miniflare: {
              bindings: {
                ENVIRONMENT: "local",
                UNIAPI_KEY: "sk-canary-4f9d2c7b1e8a",
                SERVER_KEYS: "",
                SESSION_KEYS: "",
                TURNSTILE_SECRET: "",
                // "an id key of thirty-two bytes...", as test/worker/worker.ts has it.
                ID_KEYS: "YW4gaWQga2V5IG9mIHRoaXJ0eS10d28gYnl0ZXMuLi4=",
                UNIAPI_BASE_URL: inject("emulatorUrl"),
                DEADLINES: '{"usage":1,"callback":500}',
                RECEIVER_URL: inject("receiverUrl"),
                GITHUB_WEBHOOK_SECRET: "hook-canary-9d41c07be2",
                STANDARD_SECRET: "whsec_aG9vay1jYW5hcnktMzFlNWQ4ZjdhMA==",
                TELEGRAM_SECRET: "hook-canary-telegram-77",
                GITHUB_TOKEN: "callback-canary-5b1f",
                CALLBACK_SECRET: "whsec_Y2FsbGJhY2stY2FuYXJ5LWMyZTg5MQ==",
              },
            },
          })),
        ],
        // The config of the objects: what a test of one gives to its router, too.
        resolve: { alias: { "#config": `${import.meta.dirname}/test/worker/config.ts` } },
        test: {
          name: "worker",
          include: ["test/worker/**/*.test.ts"],
          globalSetup: [
            "test/support/assets.ts",
            "test/support/shared-emulator.ts",
            "test/support/issuer.ts",
            "test/support/callback-receiver.ts",
          ],
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
