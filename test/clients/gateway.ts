// What the client tests talk to: the production bundle over real HTTP with the emulator behind it, as worker.ts starts it for the
// other end-to-end tests. SDKs make their own requests, so the guard looks at what it can see of them: the Worker's whole log, and
// every byte of every answer to a client that was given `fetch`.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { expect } from "vitest";
import { unstable_getMiniflareWorkerOptions } from "wrangler";
import { bundleOf, shippedBundle } from "../e2e/bundle.ts";
import { PROMPT, SERVER_KEY, UPSTREAM_KEY } from "../e2e/worker.ts";
import { type Emulator, type ReceivedRequest, startEmulator } from "../emulator/emulator.ts";

export { PROMPT, SERVER_KEY };

/** One answer as it went over the wire; `text` grows while it is read. */
export interface Seen {
  status: number;
  headers: Headers;
  text: string;
}

export interface Gateway {
  url: string;
  /** For any OpenAI client. */
  baseURL: string;
  emulator: Emulator;
  /** `fetch` that remembers every answer; SDKs take it as an option. */
  fetch: typeof fetch;
  seen: Seen[];
  /** The bodies of the calls that reached upstream. */
  sent: () => Record<string, unknown>[];
  lastCall: () => ReceivedRequest;
  stop: () => Promise<void>;
}

export interface GatewaySettings {
  /** A file in test/fixtures that stands for src/config.ts; without it the bundle that ships. */
  config?: string;
  /** Starts something between Worker and emulator. @returns its address */
  between?: (emulatorUrl: string) => Promise<string>;
}

export async function startGateway({ config, between }: GatewaySettings = {}): Promise<Gateway> {
  const emulator = await startEmulator({ key: UPSTREAM_KEY });
  const logs: string[] = [];
  const server = miniflareOf(
    config === undefined ? shippedBundle() : bundleWith(config),
    {
      ENVIRONMENT: "local",
      PAUSED: "",
      UNIAPI_BASE_URL: (await between?.(emulator.url)) ?? emulator.url,
      UNIAPI_KEY: UPSTREAM_KEY,
      SERVER_KEYS: SERVER_KEY,
      ID_KEYS: "",
    },
    (line) => logs.push(line),
  );
  const { origin: url } = await server.ready;
  const seen: Seen[] = [];
  const posted = (): ReceivedRequest[] => emulator.received.filter(({ method }) => method === "POST");

  return {
    url,
    baseURL: `${url}/v1`,
    emulator,
    seen,
    async fetch(input, init) {
      const response = await fetch(input, init);
      const one: Seen = { status: response.status, headers: response.headers, text: "" };
      seen.push(one);
      return new Response(response.body && watched(response.body, one), response);
    },
    sent: () => posted().map(({ body }) => body as Record<string, unknown>),
    lastCall: () => posted().at(-1) ?? expect.fail("upstream was not called"),
    async stop() {
      await server.dispose();
      await emulator.close();
      expect(logs.length).toBeGreaterThan(0);
      for (const line of logs)
        for (const secret of [UPSTREAM_KEY, SERVER_KEY, PROMPT]) expect(line).not.toContain(secret);
      for (const { text } of seen) for (const secret of [UPSTREAM_KEY, SERVER_KEY]) expect(text).not.toContain(secret);
    },
  };
}

interface Miniflare {
  ready: Promise<URL>;
  dispose: () => Promise<void>;
}
interface MiniflarePackage {
  Miniflare: new (options: unknown) => Miniflare;
  convertV4MiniflareOptions: (options: object) => unknown;
}

/** Nothing stands between client and Worker: behind wrangler's own proxy a client who leaves and a body that breaks look otherwise. */
function miniflareOf(contents: string, bindings: Record<string, string>, onLog: (line: string) => void): Miniflare {
  // wrangler's own: a version of ours would bring a second workerd.
  const wrangler = createRequire(createRequire(import.meta.url).resolve("wrangler"));
  const { Miniflare, convertV4MiniflareOptions } = wrangler("miniflare") as MiniflarePackage;
  const workerOptions = unstable_getMiniflareWorkerOptions("./wrangler.toml").workerOptions as { bindings: object };
  const worker = {
    ...workerOptions,
    name: "uniapi-edge",
    rootPath: undefined,
    modulesRules: undefined,
    modules: [{ type: "ESModule", path: "index.js", contents }],
    bindings: { ...workerOptions.bindings, ...bindings },
  };
  const handleStructuredLogs = ({ message }: { message: string }): void => onLog(message);
  return new Miniflare(
    convertV4MiniflareOptions({ host: "127.0.0.1", port: 0, cf: false, handleStructuredLogs, workers: [worker] }),
  );
}

const bundles = new Map<string, string>();

function bundleWith(config: string): string {
  const built = bundles.get(config);
  if (built !== undefined) return built;
  const bundle = bundleOf(readFileSync(join("test/fixtures", config), "utf8"));
  bundles.set(config, bundle);
  return bundle;
}

/** Hands the bytes on as they come, and leaves when the reader leaves. */
function watched(body: ReadableStream<Uint8Array>, one: Seen): ReadableStream<Uint8Array> {
  const decoder = new TextDecoder();
  const watch = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      one.text += decoder.decode(chunk, { stream: true });
      controller.enqueue(chunk);
    },
  });
  return body.pipeThrough(watch);
}
