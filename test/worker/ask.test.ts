import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, inject, test } from "vitest";
import { createApp } from "../../src/app.ts";
import { defineConfig } from "../../src/core/define-config.ts";

test("a question in plain text is answered", async () => {
  const app = createApp(defineConfig({ defaults: { model: "gpt-4.1-mini" } }));
  const ctx = createExecutionContext();
  const response = await app.fetch(
    new Request("http://localhost/ask", { method: "POST", body: "hi" }),
    { ...env, UNIAPI_BASE_URL: inject("emulatorUrl") },
    ctx,
  );
  await waitOnExecutionContext(ctx);
  expect(await response.json()).toMatchObject({ text: 'You said: "hi".' });
});
