// The environment of the bench: the upstream, the KV, our Worker with two configs, and the floors, started on demand.
import { SignJWT } from "jose";
import { bundleWith, type Child, durableObjectsOf, startChild, startWorkerd, type Workerd } from "./processes.ts";
import { type Floor, FLOORS } from "./floors.ts";
import { exchange } from "./load.ts";
import type { KvCommand } from "./kv.ts";
import { type Prepared, SERVER_KEY } from "./rows.ts";

const SESSION_SECRET = "bench-session-secret-of-32-bytes";
const VARS = {
  ENVIRONMENT: "local",
  SERVER_KEYS: SERVER_KEY,
  ID_KEYS: Buffer.from("id key of the bench, 32 bytes ok").toString("base64"),
  SESSION_KEYS: `b:${SESSION_SECRET}`,
};

export type WorkerKind = "standard" | "stateless";

/** Files of test/bench. */
const CONFIGS: Record<WorkerKind, string> = { standard: "config.ts", stateless: "config-stateless.ts" };

export interface Stage {
  upstream: Child;
  kv: (command: KvCommand) => Promise<KvCounts>;
  /** The production bundle with the bench's config. */
  bundle: string;
  /** `standard` has turns and the answer cache, `stateless` has neither. */
  ours: Record<WorkerKind, Workerd>;
  /** Starts an instance of our Worker. */
  startOurs: (kind: WorkerKind) => Promise<Workerd>;
  /** Builds another checkout of this project and returns a function that starts an instance of its Worker. */
  starterOf: (checkout: string) => (kind: WorkerKind) => Promise<Workerd>;
  sharedFloor: (name: Floor) => Promise<Workerd>;
  /** Starts a Worker from source text. */
  startScript: (script: string) => Promise<Workerd>;
  /** Starts a floor in its own workerd. */
  startFloor: (name: Floor) => Promise<Workerd>;
  prepare: () => Promise<Prepared>;
}

export interface KvCounts {
  get: number;
  bulk: number;
  put: number;
  delete: number;
  entries?: [key: string, text: string][];
}

export async function startStage(): Promise<Stage> {
  const upstream = await startChild("upstream.ts");
  const kvProcess = await startChild("kv.ts");
  const kv = (command: KvCommand): Promise<KvCounts> => kvProcess.send<KvCounts>(command);
  const settings = { upstream: upstream.port, kv: kvProcess.port };
  const bundle = bundleWith(CONFIGS.standard);
  function starter(bundles: Record<WorkerKind, string>, objects: Record<string, string>): Stage["startOurs"] {
    return (kind) => startWorkerd(bundles[kind], { ...settings, objects, vars: VARS });
  }
  const startOurs = starter({ standard: bundle, stateless: bundleWith(CONFIGS.stateless) }, durableObjectsOf());
  const standard = await startOurs("standard");
  const stateless = await startOurs("stateless");
  async function startFloor(name: Floor): Promise<Workerd> {
    const objects = name === "budgets" ? { BUDGETS: "Budget" } : name === "run" ? { RUNS: "Run" } : {};
    return await startWorkerd(FLOORS[name], { ...settings, objects });
  }
  const floors = new Map<Floor, Workerd>();
  return {
    upstream,
    kv,
    bundle,
    ours: { standard, stateless },
    startOurs,
    starterOf(checkout) {
      const bundles = {
        standard: bundleWith(CONFIGS.standard, checkout),
        stateless: bundleWith(CONFIGS.stateless, checkout),
      };
      return starter(bundles, durableObjectsOf(checkout));
    },
    startScript: (script) => startWorkerd(script, settings),
    startFloor,
    async sharedFloor(name) {
      const existing = floors.get(name);
      if (existing !== undefined) return existing;
      const started = await startFloor(name);
      floors.set(name, started);
      return started;
    },
    /** Also stores the texts that the floors read: the same texts that our Worker reads. */
    async prepare() {
      await kv({ do: "clear" });
      const request = {
        path: "/ask",
        headers: { authorization: `Bearer ${SERVER_KEY}` },
        body: JSON.stringify({ input: "the first turn" }),
      };
      const { text } = await exchange(standard.url, request);
      const parent = (JSON.parse(text) as { id: string }).id;
      await until(async () => (await kv({ do: "counts" })).put >= 2);
      const { entries = [] } = await kv({ do: "dump" });
      for (const [kind, name] of [
        ["turn", "parent"],
        ["answer", "answer"],
      ]) {
        await kv({
          do: "store",
          key: `floor:${name}`,
          text: entries.find(([key]) => key.startsWith(`${kind}:`))?.[1] ?? "",
        });
      }
      return { parent, session: await sessionToken() };
    },
  };
}

async function sessionToken(): Promise<string> {
  return await new SignJWT({ sub: "bench" })
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("2h")
    .sign(new TextEncoder().encode(SESSION_SECRET));
}

async function until(done: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (await done()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("the Worker did not store its answer within two seconds");
}
