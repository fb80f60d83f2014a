// The Worker of the client tests: the production bundle over real HTTP with the emulator as upstream, as test/e2e/worker.ts starts it.
// SDKs send their own requests, so `stop` checks for secrets in the Worker's log and in every response to a client that uses `fetch`.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { expect } from "vitest";
import { unstable_getMiniflareWorkerOptions } from "wrangler";
import { bundleOf, shippedBundle } from "../e2e/bundle.ts";
import { PROMPT, SERVER_KEY, UPSTREAM_KEY } from "../e2e/worker.ts";
import { type Emulator, type ReceivedRequest, startEmulator } from "../emulator/emulator.ts";

export { PROMPT, SERVER_KEY };

/** A response as it was sent. `text` grows while it is read. */
export interface RecordedResponse {
  status: number;
  headers: Headers;
  text: string;
}

export interface Gateway {
  url: string;
  /** For any OpenAI client. */
  baseURL: string;
  emulator: Emulator;
  /** A `fetch` that records every response. SDKs take it as an option. */
  fetch: typeof fetch;
  responses: RecordedResponse[];
  /** The bodies of the calls that reached upstream. */
  sent: () => Record<string, unknown>[];
  lastCall: () => ReceivedRequest;
  stop: () => Promise<void>;
}

export interface GatewaySettings {
  /** A file in test/fixtures that replaces src/config.ts. Default: the bundle that ships. */
  config?: string;
  /** Starts a proxy between the Worker and the emulator. @returns its address */
  proxy?: (emulatorUrl: string) => Promise<string>;
}

export async function startGateway({ config, proxy: between }: GatewaySettings = {}): Promise<Gateway> {
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
  const responses: RecordedResponse[] = [];
  const upstreamCalls = (): ReceivedRequest[] => emulator.received.filter(({ method }) => method === "POST");

  return {
    url,
    baseURL: `${url}/v1`,
    emulator,
    responses,
    async fetch(input, init) {
      const response = await fetch(input, init);
      const recorded: RecordedResponse = { status: response.status, headers: response.headers, text: "" };
      responses.push(recorded);
      return new Response(response.body && recordText(response.body, recorded), response);
    },
    sent: () => upstreamCalls().map(({ body }) => body as Record<string, unknown>),
    lastCall: () => upstreamCalls().at(-1) ?? expect.fail("upstream was not called"),
    async stop() {
      await server.dispose();
      await emulator.close();
      expect(logs.length).toBeGreaterThan(0);
      for (const line of logs)
        for (const secret of [UPSTREAM_KEY, SERVER_KEY, PROMPT]) expect(line).not.toContain(secret);
      for (const { text } of responses)
        for (const secret of [UPSTREAM_KEY, SERVER_KEY]) expect(text).not.toContain(secret);
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

/** Miniflare without wrangler's proxy, behind which a client's disconnect and a broken body look different. */
function miniflareOf(contents: string, bindings: Record<string, string>, onLog: (line: string) => void): Miniflare {
  // wrangler's own Miniflare. A dependency of ours could bring a second workerd.
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

/** Passes the bytes through and appends them to `recorded.text`. Cancels `body` when the reader cancels. */
function recordText(body: ReadableStream<Uint8Array>, recorded: RecordedResponse): ReadableStream<Uint8Array> {
  const decoder = new TextDecoder();
  const recorder = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      recorded.text += decoder.decode(chunk, { stream: true });
      controller.enqueue(chunk);
    },
  });
  return body.pipeThrough(recorder);
}
