// What every part of the bench runs on: the upstream, the KV, our two Workers, and floors as they are asked for.
import { SignJWT } from "jose";
import { bundleWith, type Child, startChild, startWorkerd, type Workerd } from "./processes.ts";
import { type Floor, FLOORS } from "./floors.ts";
import { exchange } from "./load.ts";
import type { KvOrder } from "./kv.ts";
import { type Prepared, SERVER_KEY } from "./rows.ts";

const SESSION_SECRET = "bench-session-secret-of-32-bytes";
const VARS = {
  ENVIRONMENT: "local",
  SERVER_KEYS: SERVER_KEY,
  ID_KEYS: Buffer.from("id key of the bench, 32 bytes ok").toString("base64"),
  SESSION_KEYS: `b:${SESSION_SECRET}`,
};
const OBJECTS = { BUDGETS: "Budget", RUNS: "Run", JOB_RECORDS: "JobRecord" };

export type OurKind = "usual" | "forgetful";

export interface Stage {
  upstream: Child;
  kv: (order: KvOrder) => Promise<KvCounts>;
  /** The production bundle with the bench's config. */
  bundle: string;
  /** With turns and kept answers, and without. */
  ours: Record<OurKind, Workerd>;
  /** Another one of ours, with the same settings. */
  another: (kind: OurKind) => Promise<Workerd>;
  floor: (name: Floor) => Promise<Workerd>;
  /** Any other Worker. */
  run: (script: string) => Promise<Workerd>;
  /** A floor in a workerd that nobody else uses. */
  anotherFloor: (name: Floor) => Promise<Workerd>;
  prepare: () => Promise<Prepared>;
}

export interface KvCounts {
  get: number;
  bulk: number;
  put: number;
  delete: number;
  kept?: [key: string, text: string][];
}

export async function startStage(): Promise<Stage> {
  const upstream = await startChild("upstream.ts");
  const kvProcess = await startChild("kv.ts");
  const kv = (order: KvOrder): Promise<KvCounts> => kvProcess.order<KvCounts>(order);
  const settings = { upstream: upstream.port, kv: kvProcess.port };
  const bundle = bundleWith("config.ts");
  const bundles: Record<OurKind, string> = { usual: bundle, forgetful: bundleWith("config-forgetful.ts") };
  const another = (kind: OurKind): Promise<Workerd> =>
    startWorkerd(bundles[kind], { ...settings, objects: OBJECTS, vars: VARS });
  const usual = await another("usual");
  const forgetful = await another("forgetful");
  async function anotherFloor(name: Floor): Promise<Workerd> {
    const objects = name === "budgets" ? { BUDGETS: "Budget" } : name === "run" ? { RUNS: "Run" } : {};
    return await startWorkerd(FLOORS[name], { ...settings, objects });
  }
  const floors = new Map<Floor, Workerd>();
  return {
    upstream,
    kv,
    bundle,
    ours: { usual, forgetful },
    another,
    run: (script) => startWorkerd(script, settings),
    anotherFloor,
    async floor(name) {
      const known = floors.get(name);
      if (known !== undefined) return known;
      const started = await anotherFloor(name);
      floors.set(name, started);
      return started;
    },
    /** Also gives the floors what they read: the same texts that ours reads. */
    async prepare() {
      await kv({ do: "clear" });
      const asked = {
        path: "/ask",
        headers: { authorization: `Bearer ${SERVER_KEY}` },
        body: JSON.stringify({ input: "the first turn" }),
      };
      const { text } = await exchange(usual.url, asked);
      const parent = (JSON.parse(text) as { id: string }).id;
      await until(async () => (await kv({ do: "counts" })).put >= 2);
      const { kept = [] } = await kv({ do: "dump" });
      for (const [kind, name] of [
        ["turn", "parent"],
        ["answer", "answer"],
      ]) {
        await kv({
          do: "keep",
          key: `floor:${name}`,
          text: kept.find(([key]) => key.startsWith(`${kind}:`))?.[1] ?? "",
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
  throw new Error("it never came");
}
