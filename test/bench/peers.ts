// For orientation: the same requests through Portkey's gateway, in Node as its authors ship it. It is installed into a temporary folder,
// listens on loopback only, and is deleted afterwards.
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { median } from "./compare.ts";
import { burst } from "./load.ts";
import { cpuMsOf } from "./processes.ts";
import { ROWS } from "./rows.ts";
import type { Stage } from "./stage.ts";

/** These versions work together. The gateway's own ranges resolve to versions that don't. */
const PACKAGE = {
  private: true,
  dependencies: { "@portkey-ai/gateway": "1.15.2" },
  overrides: { hono: "4.9.7", "@hono/node-server": "1.13.5" },
};
/** The gateway has no option for the host. Without this it would listen on every address of the machine. */
const LOOPBACK_ONLY = `const { Server } = require("node:net");
const { listen } = Server.prototype;
Server.prototype.listen = function (port, ...rest) {
  const options = typeof port === "object" && port !== null ? port : { port };
  return listen.call(this, { ...options, host: "127.0.0.1" }, ...rest.filter((argument) => typeof argument === "function"));
};
`;
const ROUNDS = 5;
const NAMES = new Set(["`/v1/responses` JSON, turns off", "60-event stream, `/v1/responses`, turns off"]);

export interface Peer {
  name: string;
  /** Requests per second and microseconds of CPU per request, of the gateway and of our Worker in the same rounds. */
  perSecond: number;
  cpuUs: number;
  oursPerSecond: number;
  oursCpuUs: number;
}

export async function measurePeers(stage: Stage): Promise<Peer[]> {
  const dir = mkdtempSync(join(tmpdir(), "uniapi-edge-peers-"));
  writeFileSync(join(dir, "package.json"), JSON.stringify(PACKAGE));
  writeFileSync(join(dir, "loopback.cjs"), LOOPBACK_ONLY);
  execFileSync("npm", ["install", "--no-audit", "--no-fund", "--ignore-scripts"], { cwd: dir, stdio: "pipe" });
  const port = await freePort();
  const server = spawn(
    process.execPath,
    [
      "--require",
      "./loopback.cjs",
      "node_modules/@portkey-ai/gateway/build/start-server.js",
      `--port=${port}`,
      "--headless",
    ],
    { cwd: dir, stdio: "ignore" },
  );
  try {
    const url = new URL(`http://127.0.0.1:${port}`);
    await waitUntilUp(url);
    return await comparePeers(stage, url, server.pid ?? 0);
  } finally {
    server.kill("SIGKILL");
    rmSync(dir, { recursive: true, force: true });
  }
}

async function comparePeers(stage: Stage, url: URL, pid: number): Promise<Peer[]> {
  const prepared = await stage.prepare();
  const headers = {
    "x-portkey-provider": "openai",
    "x-portkey-custom-host": `http://127.0.0.1:${stage.upstream.port}/v1`,
    authorization: "Bearer sk-bench",
  };
  const peers: Peer[] = [];
  for (const row of ROWS.filter(({ name }) => NAMES.has(name))) {
    const samples: Record<keyof Omit<Peer, "name">, number[]> = {
      perSecond: [],
      cpuUs: [],
      oursPerSecond: [],
      oursCpuUs: [],
    };
    for (let round = -1; round < ROUNDS; round += 1) {
      const requests = row.requests / 2;
      const settings = { requests, concurrency: 16 };
      const before = cpuMsOf(pid);
      const theirs = await burst(url, (n) => ({ ...row.ask(`peer-${round}-${n}`, prepared), headers }), settings);
      const cpu = cpuMsOf(pid) - before;
      const oursBefore = stage.ours.stateless.cpuMs();
      const ours = await burst(stage.ours.stateless.url, (n) => row.ask(`ours-${round}-${n}`, prepared), settings);
      if (round < 0) continue;
      samples.perSecond.push((requests / theirs.wallMs) * 1_000);
      samples.cpuUs.push((cpu * 1_000) / requests);
      samples.oursPerSecond.push((requests / ours.wallMs) * 1_000);
      samples.oursCpuUs.push(((stage.ours.stateless.cpuMs() - oursBefore) * 1_000) / requests);
    }
    const of = (key: keyof typeof samples): number => median(samples[key]);
    peers.push({
      name: row.name,
      perSecond: of("perSecond"),
      cpuUs: of("cpuUs"),
      oursPerSecond: of("oursPerSecond"),
      oursCpuUs: of("oursCpuUs"),
    });
  }
  return peers;
}

async function waitUntilUp(url: URL): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    try {
      await (await fetch(url)).text();
      return;
    } catch {
      await sleep(100);
    }
  }
  throw new Error("the gateway did not start");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
