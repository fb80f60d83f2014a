// The only reader of env: settings and adapters made into Deps, once per isolate and env. A setting that is wrong fails every
// request with its name; its value is never shown.
import type { Config } from "./core/define-config.ts";
import { type IdKeys, importIdKeys, ownerOf } from "./core/ids.ts";
import { isRecord, parseJson } from "./core/json.ts";
import { Problem } from "./core/problem.ts";
import type { Caller, Deps, Echoes } from "./deps.ts";
import { isLoopbackHost } from "./core/loopback.ts";
import { keyDigest } from "./gate/server-key.ts";
import { kvStore } from "./platform/kv.ts";
import { jsonLog, type Log } from "./platform/log.ts";
import { receiver } from "./platform/receive.ts";
import { uniapi } from "./platform/upstream/upstream.ts";

/** Contract section 8, in milliseconds. */
export const DEADLINES = {
  upstream_first_byte: 120_000,
  upstream_idle: 300_000,
  upstream_total: 3_600_000,
  body: 10_000,
};

/** What may be bound beside what wrangler.toml names: secrets, and METRICS where a deployer adds it. */
interface Settings extends Partial<Env> {
  UNIAPI_KEY?: string;
  SERVER_KEYS?: string;
  ID_KEYS?: string;
  DEADLINES?: string;
  METRICS?: AnalyticsEngineDataset;
}

export interface Wire {
  log(env: Settings): Log;
  /** @throws Problem misconfigured */
  deps(env: Settings): Promise<Deps>;
}

export const now = (): number => Date.now();

export function randomHex(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function createWire(config: Config): Wire {
  const logs = new WeakMap<object, Log>();
  // Finished ones only: a promise of another request must not be waited for, since it ends with that request.
  const made = new WeakMap<object, Deps>();
  function log(env: Settings): Log {
    let known = logs.get(env);
    if (known === undefined) logs.set(env, (known = jsonLog((line) => console.log(line), env.METRICS)));
    return known;
  }
  return {
    log,
    async deps(env) {
      let known = made.get(env);
      if (known === undefined) made.set(env, (known = await connect(config, env, log(env))));
      return known;
    },
  };
}

async function connect(config: Config, env: Settings, log: Log): Promise<Deps> {
  const local = localOf(env.ENVIRONMENT);
  const key = (env.UNIAPI_KEY ?? "").trim();
  if (!/^[\x21-\x7e]+$/.test(key))
    throw misconfigured("UNIAPI_KEY", "is missing or has characters that no key has: set it with npm run setup");
  const baseUrl = baseUrlOf(env.UNIAPI_BASE_URL, local);
  if (env.RESPONSES === undefined) throw misconfigured("RESPONSES", "is not bound: wrangler.toml must name the KV namespace");
  const idKeys = await idKeysOf(env.ID_KEYS, key, log);
  const deadlines = { ...DEADLINES, ...(local ? shorter(env.DEADLINES) : {}) };
  return {
    config,
    baseUrl,
    local,
    paused: pausedOf(env.PAUSED),
    receive: receiver(deadlines.body),
    idKeys,
    serverKeys: await serverKeysOf(env.SERVER_KEYS, idKeys),
    anonymous: { kind: "anonymous", owner: await ownerOf(idKeys, "anonymous:local") },
    upstream: uniapi({ baseUrl, key, deadlines }, (input, init) => fetch(input, init), now),
    store: kvStore(env.RESPONSES, log.warn),
    echoes: recentEchoes(),
    log,
    now,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    random: randomHex,
  };
}

/** Models are named by callers: a full table starts anew, and so does what is a day old. */
function recentEchoes(): Echoes {
  const seen = new Map<string, { echoes: boolean | undefined; at: number }>();
  return {
    get(model) {
      const one = seen.get(model);
      return one !== undefined && now() - one.at < 86_400_000 ? one.echoes : undefined;
    },
    set(model, echoes) {
      if (seen.size >= 1_000) seen.clear();
      seen.set(model, { echoes, at: now() });
    },
  };
}

function localOf(environment: string | undefined): boolean {
  if (environment === "local") return true;
  if (environment === undefined || environment === "production") return false;
  throw misconfigured("ENVIRONMENT", "must be production or local");
}

/** The brake on money: what is neither on nor off must not pass for off. */
function pausedOf(value: string | undefined): boolean {
  if (value === "1") return true;
  if (value === undefined || value === "" || value === "0") return false;
  throw misconfigured("PAUSED", "must be 1 (paused) or 0");
}

/** Without a trailing `/v1` or slash. Anything but https would send the key in clear; loopback is no network. */
function baseUrlOf(value: string | undefined, local: boolean): string {
  const url = URL.parse(value || "https://api.uniapi.io");
  const secure = url?.protocol === "https:" || (local && url?.protocol === "http:" && isLoopbackHost(url.hostname));
  if (url === null || !secure || url.username !== "" || url.search !== "") {
    throw misconfigured(
      "UNIAPI_BASE_URL",
      "must be an https address without query, like https://api.uniapi.io (http on loopback only, under ENVIRONMENT=local)",
    );
  }
  return (url.origin + url.pathname).replace(/\/+$/, "").replace(/\/v1$/, "").replace(/\/+$/, "");
}

async function idKeysOf(value: string | undefined, upstreamKey: string, log: Log): Promise<IdKeys> {
  if (value === undefined || value.trim() === "") {
    log.warn(
      "id_keys_missing: ids derive from UNIAPI_KEY, and changing that key will forget every id. Set ID_KEYS (npm run setup makes one)",
    );
    const seed = new TextEncoder().encode(`uniapi-edge id key\0${upstreamKey}`);
    return importIdKeys([new Uint8Array(await crypto.subtle.digest("SHA-256", seed))]);
  }
  return importIdKeys(list(value).map(decodeIdKey));
}

function decodeIdKey(text: string): Uint8Array<ArrayBuffer> {
  try {
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    if (bytes.length === 32) return bytes;
  } catch {
    // Said below, like every other wrong length.
  }
  throw misconfigured("ID_KEYS", "must be base64 of 32 bytes each, separated by commas: make one with `openssl rand -base64 32`");
}

/** `sk_…` or `name:sk_…`, separated by commas. Keys of one name are one owner. */
async function serverKeysOf(value: string | undefined, idKeys: IdKeys): Promise<Map<string, Caller>> {
  const callers = new Map<string, Caller>();
  for (const entry of list(value ?? "")) {
    const [, name = "server", key = ""] = /^(?:([\w.-]{1,64}):)?(sk_[\x21-\x7e]{13,})$/.exec(entry) ?? [];
    if (key === "")
      throw misconfigured("SERVER_KEYS", "must be sk_… or name:sk_…, separated by commas, each key with at least 16 characters");
    const digest = await keyDigest(key);
    const owner = await ownerOf(idKeys, `server:${name}`);
    if ((callers.get(digest)?.owner ?? owner) !== owner)
      throw misconfigured("SERVER_KEYS", "has the same key under two names: each key belongs to one");
    callers.set(digest, { kind: "server", owner });
  }
  return callers;
}

function list(value: string): string[] {
  return value
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

/** `DEADLINES` (JSON, milliseconds), so that tests over real HTTP need not wait. */
function shorter(value: string | undefined): Partial<typeof DEADLINES> {
  if (value === undefined || value === "") return {};
  const given = parseJson(value);
  if (!isRecord(given) || !Object.values(given).every((ms) => typeof ms === "number" && ms > 0)) {
    throw misconfigured("DEADLINES", 'must be JSON of milliseconds by name, like {"upstream_idle":500}');
  }
  return given;
}

function misconfigured(setting: string, what: string): Problem {
  return new Problem("misconfigured", `This Worker's setting ${setting} ${what}.`, { reason: setting });
}
