// The Worker that receives the examples of /openapi.json, and the servers that it needs: upstream, Turnstile's siteverify and a receiver of
// callbacks.
import { createHmac } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { resolve } from "node:path";
import { startEmulator } from "../emulator/emulator.ts";
import { bundleOf } from "./bundle.ts";
import { miniflareOf, SERVER_KEY, UPSTREAM_KEY } from "./worker.ts";

const HOOK_SECRET = "hook-canary-9d41c07be2";

export interface Example {
  /** The Worker's URL. */
  url: URL;
  stop: () => Promise<void>;
}

export async function startExample(): Promise<Example> {
  const emulator = await startEmulator({ key: UPSTREAM_KEY });
  const services = await startServices();
  const { port } = services.address() as AddressInfo;
  const bundle = bundleOf(
    `import { defineConfig } from "../../src/core/config/define-config.ts";
     import { configOf } from "${resolve("test/fixtures/config-openapi.ts")}";
     export default defineConfig(configOf("http://127.0.0.1:${port}"));`,
  );
  const bindings = {
    ENVIRONMENT: "local",
    UNIAPI_BASE_URL: emulator.url,
    UNIAPI_KEY: UPSTREAM_KEY,
    SERVER_KEYS: SERVER_KEY,
    SESSION_KEYS: "example:the-session-key-of-the-examples",
    TURNSTILE_SECRET: "turnstile-canary",
    ID_KEYS: "",
    GITHUB_WEBHOOK_SECRET: HOOK_SECRET,
    CRM_SECRET: `whsec_${Buffer.from("crm-canary-secret-of-the-examples").toString("base64")}`,
    DEADLINES: '{"usage":20,"upstream_first_byte":300,"body":300}',
  };
  const worker = miniflareOf(bindings, () => undefined, bundle);
  return {
    url: await worker.ready,
    async stop() {
      await worker.dispose();
      await emulator.close();
      services.close();
    },
  };
}

export function githubSignature(body: string): string {
  return `sha256=${createHmac("sha256", HOOK_SECRET).update(body).digest("hex")}`;
}

async function startServices(): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume();
    const body = request.url === "/siteverify" ? { success: true, hostname: "app.example.com" } : {};
    response.setHeader("content-type", "application/json").end(JSON.stringify(body));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return server;
}
