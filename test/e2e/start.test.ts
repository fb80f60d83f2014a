// `npm start` as in the README, in a copy of the project without a .dev.vars, so that it never calls UniAPI.
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { until } from "./worker.ts";

const READY_MS = 30_000;
const NEEDED = ["package.json", "wrangler.toml", "tsconfig.json", "src", "scripts", "test/emulator"];

let home: string;
let port: number;
let npm: ChildProcess;
let family: Process[] = [];
let output = "";
beforeAll(async () => {
  home = copyOfProject();
  port = await freePort();
  npm = spawn("npm", ["start"], {
    cwd: home,
    env: { ...process.env, PORT: String(port), CI: "true" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  for (const stream of [npm.stdout, npm.stderr]) stream?.on("data", (piece: Buffer) => (output += piece.toString()));
  await until(async () => {
    expect(npm.exitCode, output).toBe(null);
    expect((await fetch(`http://localhost:${port}/health`)).status).toBe(200);
  }, READY_MS);
  family = descendants(npm.pid ?? 0);
}, 2 * READY_MS);
afterAll(() => {
  for (const { pid } of stillAlive()) process.kill(pid, "SIGKILL");
  rmSync(home, { recursive: true, force: true });
});

test("npm start prints that the emulator answers, and a command to try", () => {
  expect(output).toMatch(/No UNIAPI_KEY in \.dev\.vars: talking to the built-in UniAPI emulator/);
  expect(output).toContain(`curl localhost:${port}/ask -d 'hi'`);
});

test("the printed curl command gets an answer, on localhost and on 127.0.0.1", async () => {
  for (const host of ["localhost", "127.0.0.1"]) {
    const response = await fetch(`http://${host}:${port}/ask`, {
      method: "POST",
      body: "hi",
      headers: { "content-type": "application/x-www-form-urlencoded" },
    });
    expect([response.status, await response.json()]).toEqual([
      200,
      expect.objectContaining({ text: 'You said: "hi".', model: "emulator/gpt-6-luna" }),
    ]);
  }
});

test("the console at the printed address is marked as local, so it needs no sign-in", async () => {
  const [, address = ""] = /Console: (\S+)/.exec(output) ?? [];
  const page = await fetch(address);
  expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('data-environment="local"')]);
  expect((await fetch(`${address}console/console.js`)).status).toBe(200);
});

test("the printed key for SDKs is accepted, and another origin is refused", async () => {
  const [, key = ""] = /(sk_\S+)/.exec(output) ?? [];
  const ask = async (headers: Record<string, string>): Promise<number> =>
    (await fetch(`http://localhost:${port}/ask`, { method: "POST", body: "hi again", headers })).status;
  expect(await ask({ authorization: `Bearer ${key}` })).toBe(200);
  expect(await ask({ authorization: `Bearer ${key}x` })).toBe(401);
  expect(await ask({ origin: "https://evil.example" })).toBe(403);
});

test("SIGTERM ends npm start and all its processes", async () => {
  expect(family.some(({ args }) => args.includes("workerd"))).toBe(true);
  npm.kill("SIGTERM");
  await until(() => expect(npm.exitCode ?? npm.signalCode).not.toBe(null), 10_000);
  await until(() => expect(stillAlive()).toEqual([]), 10_000);
});

test.each([
  [
    "an unknown setting",
    'import { defineConfig } from "./core/config/define-config.ts";\nexport default defineConfig({ defaults: { model: "m" }, orgins: [] });\n',
    "src/config.ts: orgins: is not a setting: remove it, or use one of defaults, models, limits, cache, turns, continuity, presets, origins, callers, hooks, callbacks, prices, public_url, console\n",
  ],
  [
    "a missing import",
    'export default defineConfig({ defaults: { model: "m" } });\n',
    "src/config.ts: defineConfig is not defined. Is its import missing?\n",
  ],
])("%s in src/config.ts ends npm start with one message and nothing else", (_what, config, sentence) => {
  const copy = copyOfProject();
  try {
    writeFileSync(join(copy, "src/config.ts"), config);
    const run = spawnSync("npm", ["start", "--silent"], {
      cwd: copy,
      encoding: "utf8",
      env: { ...process.env, CI: "true" },
      timeout: READY_MS,
    });
    expect([run.status, run.stdout, run.stderr]).toEqual([1, "", sentence]);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});

function copyOfProject(): string {
  const copy = mkdtempSync(join(tmpdir(), "uniapi-edge-start-"));
  for (const path of NEEDED) cpSync(path, join(copy, path), { recursive: true });
  symlinkSync(resolve("node_modules"), join(copy, "node_modules"));
  return copy;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return port;
}

interface Process {
  pid: number;
  parent: number;
  args: string;
}

function processes(): Process[] {
  const list = execFileSync("ps", ["-eo", "pid=,ppid=,args="], { encoding: "utf8" });
  return list.split("\n").flatMap((line) => {
    const [, pid, parent, args = ""] = /^\s*(\d+)\s+(\d+)\s(.*)$/.exec(line) ?? [];
    return pid === undefined ? [] : [{ pid: Number(pid), parent: Number(parent), args }];
  });
}

function stillAlive(): Process[] {
  const alive = new Map(processes().map(({ pid, args }) => [pid, args]));
  return family.filter(({ pid, args }) => alive.get(pid) === args);
}

function descendants(root: number): Process[] {
  const all = processes();
  const found = all.filter(({ pid }) => pid === root);
  for (const one of found) found.push(...all.filter(({ parent }) => parent === one.pid));
  return found;
}
