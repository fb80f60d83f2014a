import { afterAll, beforeAll, expect, inject, test } from "vitest";
import { createTestHarness } from "wrangler";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";

let emulator: Emulator;
let server: ReturnType<typeof createTestHarness>;
let url: URL;
beforeAll(async () => {
  emulator = await startEmulator();
  server = createTestHarness({
    workers: [
      {
        configPath: "./wrangler.toml",
        prebuiltWorkerDir: inject("bundleDir"),
        vars: { ENVIRONMENT: "local", UNIAPI_BASE_URL: emulator.url },
        secrets: { UNIAPI_KEY: "sk-x", SERVER_KEYS: "", ID_KEYS: "" },
      },
    ],
  });
  ({ url } = await server.listen());
});
afterAll(async () => {
  await server.close();
  await emulator.close();
});

test("the production bundle answers over real HTTP", async () => {
  const response = await fetch(new URL("/ask", url), { method: "POST", body: "hi" });
  expect(await response.json()).toMatchObject({ text: 'You said: "hi".' });
});
