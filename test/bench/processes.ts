// The processes of the bench: Node children that answer messages, and a workerd for each Worker. CPU and memory come from /proc.
import { type ChildProcess, execFileSync, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { gzipSync } from "node:zlib";

const ROOT = join(import.meta.dirname, "../..");
const scratch = mkdtempSync(join(tmpdir(), "uniapi-edge-bench-"));
let serial = 0;
const running = new Set<ChildProcess>();

process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  rmSync(scratch, { recursive: true, force: true });
});

export interface Child {
  port: number;
  /** Sends a message and returns the answer. One call at a time. */
  send: <T>(message: unknown) => Promise<T>;
}

/** @param file in this folder */
export async function startChild(file: string): Promise<Child> {
  const child = fork(join(import.meta.dirname, file), { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  running.add(child);
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  return {
    port,
    async send<T>(message: unknown) {
      child.send(message as object);
      const [answer] = (await once(child, "message")) as [T];
      return answer;
    },
  };
}

/** Builds the production bundle of a checkout with a config from its test/bench. */
export function bundleWith(config: string, root = ROOT): string {
  const outdir = join(scratch, `bundle-${(serial += 1)}`);
  execFileSync(
    "wrangler",
    ["deploy", "--dry-run", "--outdir", outdir, "--alias", `#config:${join(root, "test/bench", config)}`],
    {
      cwd: root,
      stdio: "pipe",
      env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
    },
  );
  return readFileSync(join(outdir, "index.js"), "utf8");
}

/** Class names of a checkout's Durable Objects by binding, as its wrangler.toml declares them. */
export function durableObjectsOf(root = ROOT): Record<string, string> {
  const toml = readFileSync(join(root, "wrangler.toml"), "utf8");
  const bindings = toml.matchAll(/^\[\[durable_objects\.bindings\]\]\nname = "(.+)"\nclass_name = "(.+)"$/gm);
  return Object.fromEntries(Array.from(bindings, ([, name = "", className = ""]) => [name, className]));
}

export const gzipBytes = (text: string): number => gzipSync(text).length;

export interface Settings {
  upstream: number;
  kv: number;
  /** Class names of Durable Objects by binding. */
  objects?: Record<string, string>;
  vars?: Record<string, string>;
}

export interface Workerd {
  url: URL;
  /** Milliseconds from the start of the process to its first answer. */
  startMs: number;
  /** Milliseconds of CPU of all its threads. */
  cpuMs: () => number;
  /** Resident memory in bytes. */
  memory: () => number;
  stop: () => Promise<void>;
}

const compatibility = ((): string => {
  const toml = readFileSync(join(ROOT, "wrangler.toml"), "utf8");
  const [, date = ""] = /^compatibility_date = "(.+)"/m.exec(toml) ?? [];
  const [, flags = ""] = /^compatibility_flags = (\[.*\])/m.exec(toml) ?? [];
  return `compatibilityDate = "${date}", compatibilityFlags = ${flags}`;
})();

const wrangler = createRequire(createRequire(import.meta.url).resolve("wrangler"));
const { default: workerd } = createRequire(wrangler.resolve("miniflare"))("workerd") as { default: string };

/** Plain workerd: no wrangler and no proxy between the socket and the Worker. */
export async function startWorkerd(
  script: string,
  { upstream, kv, objects = {}, vars = {} }: Settings,
): Promise<Workerd> {
  const dir = join(scratch, `workerd-${(serial += 1)}`);
  mkdirSync(join(dir, "storage"), { recursive: true });
  writeFileSync(join(dir, "index.js"), script);
  const texts = { UNIAPI_BASE_URL: `http://127.0.0.1:${upstream}`, UNIAPI_KEY: "sk-bench", ...vars };
  const bindings = [
    ...Object.entries(texts).map(([name, text]) => `(name = ${JSON.stringify(name)}, text = ${JSON.stringify(text)})`),
    `(name = "RESPONSES", kvNamespace = "kv")`,
    ...Object.entries(objects).map(
      ([name, className]) => `(name = "${name}", durableObjectNamespace = "${className}")`,
    ),
  ];
  const classes = Object.values(objects).map(
    (name) => `(className = "${name}", uniqueKey = "${name}", enableSql = true)`,
  );
  writeFileSync(
    join(dir, "config.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "internet", network = (allow = ["public", "private"])),
    (name = "kv", external = (address = "127.0.0.1:${kv}", http = ())),
    (name = "storage", disk = (path = ${JSON.stringify(join(dir, "storage"))}, writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "index.js")],
  ${compatibility},
  bindings = [${bindings.join(",\n    ")}],
  durableObjectNamespaces = [${classes.join(", ")}],
  durableObjectStorage = (localDisk = "storage"),
);
`,
  );
  const started = performance.now();
  const child = spawn(workerd, ["serve", "--experimental", "--control-fd=3", "config.capnp"], {
    cwd: dir,
    stdio: ["ignore", "ignore", process.env["BENCH_STDERR"] === undefined ? "ignore" : "inherit", "pipe"],
  });
  running.add(child);
  const url = new URL(`http://127.0.0.1:${await portOf(child)}`);
  await (await fetch(new URL("/health", url))).text();
  const startMs = performance.now() - started;
  const { pid = 0 } = child;
  return {
    url,
    startMs,
    cpuMs: () => cpuMsOf(pid),
    memory: () => Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1_024,
    async stop() {
      child.kill("SIGKILL");
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      running.delete(child);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

async function portOf(child: ChildProcess): Promise<number> {
  let output = "";
  for await (const piece of child.stdio[3] as Readable) {
    output += String(piece);
    const port = /"port":(\d+)/.exec(output)?.[1];
    if (port !== undefined) return Number(port);
  }
  throw new Error("workerd did not start; BENCH_STDERR=1 shows why");
}

/** Reads the scheduler's nanoseconds, since /proc/PID/stat counts in ticks of ten milliseconds. */
export function cpuMsOf(pid: number): number {
  let nanoseconds = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]);
    } catch {
      // The thread ended meanwhile.
    }
  }
  return nanoseconds / 1e6;
}
