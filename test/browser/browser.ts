// A real browser and the production bundle. Chromium reaches the Worker as http://localhost:8787 and the page's backend as
// http://localhost:3000, as in docs/browser.md, regardless of their real ports.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { bundleOf } from "../e2e/bundle.ts";
import { miniflareOf, UPSTREAM_KEY } from "../e2e/worker.ts";
import { snippetIn } from "../support/doc-snippet.ts";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";

export const SESSION_KEY = "page:the-session-key-of-the-browser-tests";
export const SERVER_KEY = "sk_Vq7hTz2mWc9LxR4b";

const PLACES = [
  process.env["CHROMIUM_PATH"] ?? "",
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
];
/** The path of Chromium, if it is installed. */
export const BROWSER = PLACES.find((path) => path !== "" && existsSync(path));

function browserPath(): string {
  if (BROWSER === undefined) throw new Error("there is no Chromium: apt-get install chromium, or set CHROMIUM_PATH");
  return BROWSER;
}

/**
 * Each Chromium window has two hidden pages for the suggestions of its address bar, in a process that costs more than the page under test;
 * each Playwright context is a window. The switch replaces Playwright's own, so it repeats Playwright's features.
 */
const FEATURES_OFF =
  "WebUIOmniboxPopup,WebUIOmniboxAimPopup,AimEnabled,AvoidCorsURLLoaderRestartOnRedirect,AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose," +
  "HttpsFirstBalancedModeAutoEnable,HttpsUpgrades,LensOverlay,MediaRouter,NetworkTimeServiceQuerying,OptimizationHints,PaintHolding,PreconnectToSearch,ThirdPartyStoragePartitioning";

/** Starts without a sandbox, which containers and root do not have. @param args further switches */
export async function launchBrowser(args: readonly string[] = []): Promise<Browser> {
  return await chromium.launch({
    executablePath: browserPath(),
    args: ["--no-sandbox", `--disable-features=${FEATURES_OFF}`, ...args],
  });
}

export interface Scene {
  browser: Browser;
  emulator: Emulator;
  /** Bodies of the callbacks that were delivered. */
  callbacks: string[];
  /** The Worker's log. */
  log: () => Record<string, unknown>[];
  stop: () => Promise<void>;
}

export async function startScene(): Promise<Scene> {
  // Fails before anything is started that would have to be stopped.
  browserPath();
  const home = mkdtempSync(join(import.meta.dirname, "..", "clients", "node_modules", ".browser-"));
  const emulator = await startEmulator({ key: UPSTREAM_KEY, paceMs: 10 });
  const lines: string[] = [];
  const callbacks: string[] = [];
  const receiver = await serve("", (body) => callbacks.push(body));
  const config = readFileSync("test/fixtures/config-browser.ts", "utf8");
  const bundle = bundleOf(config.replace("https://receiver.example", `http://127.0.0.1:${portOf(receiver)}`));
  const bindings = {
    ENVIRONMENT: "local",
    PAUSED: "",
    UNIAPI_BASE_URL: emulator.url,
    UNIAPI_KEY: UPSTREAM_KEY,
    SERVER_KEYS: SERVER_KEY,
    SESSION_KEYS: SESSION_KEY,
    ID_KEYS: "",
    DEADLINES: '{"usage":50}',
    CALLBACK_SECRET: "whsec_Y2FsbGJhY2stY2FuYXJ5LWMyZTg5MQ==",
  };
  const worker = miniflareOf(bindings, (line) => lines.push(line), bundle);
  const { port } = await worker.ready;

  // The page and its backend from the document, in a process of their own.
  writeFileSync(join(home, "chat.html"), snippetIn("A chat page in 30 lines", "html"));
  writeFileSync(join(home, "backend.mjs"), snippetIn("Backend in Node", "js"));
  const backendPort = await freePort();
  const backend = spawn(process.execPath, ["backend.mjs"], {
    cwd: home,
    stdio: "inherit",
    env: { ...process.env, PORT: String(backendPort), SESSION_KEY },
  });
  await waitUntilListening(backendPort);
  // A site of another origin.
  const elsewhere = await serve("<!doctype html><title>elsewhere</title>");

  const rules = [
    `MAP localhost:8787 127.0.0.1:${port}`,
    `MAP localhost:3000 127.0.0.1:${backendPort}`,
    `MAP localhost:3001 127.0.0.1:${portOf(elsewhere)}`,
    `MAP evil.example:80 127.0.0.1:${portOf(elsewhere)}`,
  ];
  const browser = await launchBrowser([`--host-resolver-rules=${rules.join(", ")}`]);
  return {
    browser,
    emulator,
    callbacks,
    log: () => lines.filter((line) => line.startsWith("{")).map((line) => JSON.parse(line) as Record<string, unknown>),
    async stop() {
      await browser.close();
      backend.kill();
      elsewhere.close();
      receiver.close();
      await worker.dispose();
      await emulator.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

async function serve(html: string, onBody: (body: string) => void = () => undefined): Promise<Server> {
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (piece: Buffer) => (body += piece.toString()));
    request.on("end", () => {
      onBody(body);
      response.setHeader("content-type", "text/html").end(html);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

async function freePort(): Promise<number> {
  const server = await serve("");
  const port = portOf(server);
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}

async function waitUntilListening(port: number): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    try {
      await fetch(`http://localhost:${port}/`);
      return;
    } catch {
      await new Promise((resolve) => {
        setTimeout(resolve, 25);
      });
    }
  }
  throw new Error("the backend of docs/browser.md does not listen");
}
