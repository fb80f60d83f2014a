// Two hundred clients that read almost nothing of a long stream, against the production bundle over real HTTP. Measures how far upstream
// is read ahead, and the growth of workerd's memory. Without an Idempotency-Key each client has its own upstream stream; with one, all
// share a run.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import { type AddressInfo, connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { unstable_getMiniflareWorkerOptions } from "wrangler";
import { workerdBytes } from "../support/workerd-bytes.ts";

const READERS = 200;
const EVENT_CHARS = 16_384;
const EVENTS = 1_024;
const MIB = 1_048_576;

let sent = 0;
/** Sends 16 MiB of events as fast as the Worker reads them. Not text deltas: the Worker collects text until the answer is complete. */
async function answer(response: ServerResponse): Promise<void> {
  const send = async (data: object): Promise<void> => {
    const bytes = `data: ${JSON.stringify(data)}\n\n`;
    sent += bytes.length;
    if (!response.write(bytes)) await waitForDrain(response);
  };
  const base = { id: "resp_slow", object: "response", model: "slow-1", output: [] };
  response.writeHead(200, { "content-type": "text/event-stream" });
  await send({ type: "response.created", response: { ...base, status: "in_progress" } });
  for (let n = 0; n < EVENTS && !response.destroyed; n += 1)
    await send({ type: "response.audio.delta", delta: "x".repeat(EVENT_CHARS) });
  await send({ type: "response.completed", response: { ...base, status: "completed" } });
  response.end();
}

function waitForDrain(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      response.off("drain", finish).off("close", finish);
      resolve();
    };
    response.on("drain", finish).on("close", finish);
  });
}

const upstream = createServer((request, response) => {
  request.resume();
  void answer(response).catch(() => undefined);
}).listen(0, "127.0.0.1");
await once(upstream, "listening");

const dir = mkdtempSync(join(tmpdir(), "uniapi-edge-slow-"));
execFileSync("wrangler", ["deploy", "--dry-run", "--outdir", dir], {
  stdio: "pipe",
  env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
});
const wrangler = createRequire(createRequire(import.meta.url).resolve("wrangler"));
const { Miniflare, convertV4MiniflareOptions } = wrangler("miniflare") as {
  Miniflare: new (options: unknown) => { ready: Promise<URL>; dispose: () => Promise<void> };
  convertV4MiniflareOptions: (options: object) => unknown;
};
const { workerOptions } = unstable_getMiniflareWorkerOptions("./wrangler.toml") as unknown as {
  workerOptions: { bindings: object };
};
const worker = {
  ...workerOptions,
  name: "uniapi-edge",
  rootPath: undefined,
  modulesRules: undefined,
  modules: [{ type: "ESModule", path: "index.js", contents: readFileSync(join(dir, "index.js"), "utf8") }],
  bindings: {
    ...workerOptions.bindings,
    ENVIRONMENT: "local",
    UNIAPI_KEY: "sk-slow-readers",
    UNIAPI_BASE_URL: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
  },
};
const server = new Miniflare(
  convertV4MiniflareOptions({
    host: "127.0.0.1",
    port: 0,
    cf: false,
    handleStructuredLogs: () => undefined,
    workers: [worker],
  }),
);
const url = await server.ready;

const mib = (bytes: number): string => (bytes / MIB).toFixed(0);

async function reader(headers: Record<string, string>): Promise<Socket> {
  const body = JSON.stringify({ model: "slow-1", input: "slow", stream: true });
  const all = { host: url.host, "content-type": "application/json", "content-length": String(body.length), ...headers };
  const lines = Object.entries(all).map(([header, value]) => `${header}: ${value}\r\n`);
  const socket = connect(Number(url.port), url.hostname);
  socket.on("error", () => undefined);
  socket.write(`POST /v1/responses HTTP/1.1\r\n${lines.join("")}\r\n${body}`);
  const [first] = (await once(socket, "data")) as [Buffer];
  socket.pause();
  if (!first.toString().startsWith("HTTP/1.1 200")) throw new Error(first.toString());
  return socket;
}

/** Waits until no bytes have been sent for a second. */
async function waitUntilQuiet(): Promise<void> {
  for (let before = -1, still = 0; still < 4;) {
    await sleep(250);
    still = before === sent ? still + 1 : 0;
    before = sent;
  }
}

async function measure(name: string, headers: Record<string, string>): Promise<void> {
  const before = workerdBytes();
  if (before === 0) throw new Error("No workerd of this process is in /proc, so nothing can be measured.");
  sent = 0;
  const sockets = await Promise.all(Array.from({ length: READERS }, () => reader(headers)));
  let peak = workerdBytes();
  const watch = setInterval(() => (peak = Math.max(peak, workerdBytes())), 100);
  await waitUntilQuiet();
  await sleep(2_000);
  clearInterval(watch);
  const streams = headers["idempotency-key"] === undefined ? READERS : 1;
  const totalBytes = EVENTS * EVENT_CHARS * READERS;
  console.log(
    `${name}: ${READERS} stalled readers of ${mib(totalBytes)} MiB in total; the Worker read ${(sent / MIB / streams).toFixed(1)} MiB of each upstream stream; ` +
      `workerd grew by ${mib(peak - before)} MiB at most, ${mib(workerdBytes() - before)} MiB in the end`,
  );
  for (const socket of sockets) socket.destroy();
  await waitUntilQuiet();
}

await (await fetch(new URL("/health", url))).text();
// The second measurement may reuse memory of the first, so the smaller one comes first.
await measure("one run", { "idempotency-key": crypto.randomUUID() });
await measure("without a key", {});
await server.dispose();
upstream.closeAllConnections();
upstream.close();
rmSync(dir, { recursive: true, force: true });
