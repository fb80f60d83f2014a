// The Worker before which every example of /openapi.json is sent, and the outside that it needs: upstream, Turnstile's siteverify and a
// receiver of callbacks.
import { createHmac } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { startEmulator } from "../emulator/emulator.ts";
import { miniflareOf, SERVER_KEY, UPSTREAM_KEY } from "./worker.ts";

const HOOK_SECRET = "hook-canary-9d41c07be2";

export interface Example {
  /** The Worker's address. */
  url: URL;
  stop: () => Promise<void>;
}

export async function startExample(): Promise<Example> {
  const emulator = await startEmulator({ key: UPSTREAM_KEY });
  const outside = await startOutside();
  const dir = mkdtempSync(join(tmpdir(), "uniapi-edge-openapi-"));
  const { port } = outside.address() as AddressInfo;
  writeFileSync(
    join(dir, "config.ts"),
    `import { defineConfig } from ${JSON.stringify(resolve("src/core/define-config.ts"))};
     import { configOf } from ${JSON.stringify(resolve("test/fixtures/config-openapi.ts"))};
     export default defineConfig(configOf("http://127.0.0.1:${port}"));`,
  );
  execFileSync("wrangler", ["deploy", "--dry-run", "--outdir", join(dir, "bundle"), "--alias", `#config:${join(dir, "config.ts")}`], {
    stdio: "pipe",
    env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
  });
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
  const worker = miniflareOf(bindings, () => undefined, join(dir, "bundle"));
  return {
    url: await worker.ready,
    async stop() {
      await worker.dispose();
      await emulator.close();
      outside.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export function githubSignature(body: string): string {
  return `sha256=${createHmac("sha256", HOOK_SECRET).update(body).digest("hex")}`;
}

async function startOutside(): Promise<Server> {
  const server = createServer((request, response) => {
    request.resume();
    const said = request.url === "/siteverify" ? { success: true, hostname: "app.example.com" } : {};
    response.setHeader("content-type", "application/json").end(JSON.stringify(said));
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  return server;
}
