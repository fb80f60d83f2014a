import { cloudflareTest } from "@cloudflare/vitest-pool-workers";
import { defineConfig } from "vitest/config";

/** Only a hung test takes this long, even on a busy machine. */
const testTimeout = 30_000;

export default defineConfig({
  test: {
    // A run that passes prints only its totals; on a terminal it shows its progress. `--reporter=verbose` names every test.
    reporters: [process.stdout.isTTY ? "default" : "minimal"],
    // Every request writes a log line. They are printed for the tests that fail.
    silent: "passed-only",
    // Most tests wait for a Worker. Vitest's default, one fewer than the cores, leaves cores idle.
    maxWorkers: 3,
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          setupFiles: ["test/support/restore.ts"],
          testTimeout,
          environment: "node",
          // Mostly pure functions. Loading their modules once per file took half of the time.
          isolate: false,
        },
      },
      {
        plugins: [
          cloudflareTest(({ inject }) => ({
            // workerd prints the stack of every connection that a test breaks and of every rejection that it provokes.
            // WORKERD_LOG=1 shows them.
            verbose: process.env["WORKERD_LOG"] === "1",
            wrangler: { configPath: "./wrangler.toml" },
            // Tests must not read a developer's .dev.vars. Durable Objects see these settings; a test may give its router others.
            miniflare: {
              bindings: {
                ENVIRONMENT: "local",
                UNIAPI_KEY: "sk-canary-4f9d2c7b1e8a",
                SERVER_KEYS: "",
                SESSION_KEYS: "",
                TURNSTILE_SECRET: "",
                // "an id key of thirty-two bytes...", the same as in test/worker/worker.ts.
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
        // The Durable Objects read this config. Their tests pass the same one to the router.
        resolve: { alias: { "#config": `${import.meta.dirname}/test/worker/config.ts` } },
        // Hides Vite's warnings about the source maps of packages.
        logLevel: "error",
        test: {
          name: "worker",
          include: ["test/worker/**/*.test.ts"],
          isolate: true,
          testTimeout,
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
          isolate: true,
          globalSetup: ["test/support/production-bundle.ts", "test/support/client-packages.ts"],
          testTimeout,
          hookTimeout: 60_000,
        },
      },
    ],
  },
});
