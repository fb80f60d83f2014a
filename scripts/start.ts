// npm start: runs the Worker on http://localhost:8787. If .dev.vars has a UNIAPI_KEY, the Worker calls UniAPI. Otherwise it calls the built-in
// emulator, whose answers are marked as such. Production uses no part of this file.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { type Config, ConfigError } from "../src/core/config/define-config.ts";
import { unsafeSettings } from "../src/core/config/unsafe-settings.ts";
import { startEmulator } from "../test/emulator/emulator.ts";
import { sessionKeysOf } from "../src/core/config/vars.ts";

/** These keys work on this machine only, because both servers listen on loopback. */
const EMULATOR_KEY = "emulator-key-of-npm-start";
const LOCAL_SERVER_KEY = "sk_local_development";
const LOCAL_ID_KEY = Buffer.from("uniapi-edge: npm start, no secret").subarray(0, 32).toString("base64");

const port = process.env["PORT"] ?? "8787";
const secrets = devVars();
const config = await readConfig();
const vars: Record<string, string> = { ENVIRONMENT: "local" };
if (!secrets["SERVER_KEYS"]?.trim()) vars["SERVER_KEYS"] = LOCAL_SERVER_KEY;

if (!secrets["UNIAPI_KEY"]?.trim()) {
  const emulator = await startEmulator({ key: EMULATOR_KEY, paceMs: 20 });
  Object.assign(vars, { UNIAPI_BASE_URL: emulator.url, UNIAPI_KEY: EMULATOR_KEY, ID_KEYS: LOCAL_ID_KEY });
  console.log(
    'No UNIAPI_KEY in .dev.vars: talking to the built-in UniAPI emulator. Its answers are made up (model: "emulator/…").',
  );
  console.log("For real answers: npm run setup, then npm start again.");
} else {
  console.log(
    `Talking to UniAPI (${secrets["UNIAPI_BASE_URL"] ?? "https://api.uniapi.io"}) with the key in .dev.vars. Requests are paid.`,
  );
}
console.log(`\n  Try it:  curl localhost:${port}/ask -d 'hi'\n  Console: http://localhost:${port}/\n`);
if (vars["SERVER_KEYS"] !== undefined)
  console.log(`SDKs that insist on a key: ${LOCAL_SERVER_KEY} (this machine only)\n`);

for (const line of warnings()) console.warn(`Warning: ${line}`);

const args = ["dev", "--ip", "127.0.0.1", "--port", port, "--show-interactive-dev-session=false", "--log-level", "log"];
for (const [name, value] of Object.entries(vars)) args.push("--var", `${name}:${value}`);
const wrangler = spawn("wrangler", args, {
  stdio: "inherit",
  env: { ...process.env, WRANGLER_SEND_METRICS: "false", CLOUDFLARE_CF_FETCH_ENABLED: "false" },
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => wrangler.kill(signal));
// npm sends SIGTERM to its shell, which exits without forwarding the signal. This process notices it only by its new parent process.
const parent = process.ppid;
if (process.env["npm_lifecycle_event"] !== undefined)
  setInterval(() => process.ppid !== parent && wrangler.kill("SIGTERM"), 500).unref();
wrangler.on("exit", (code) => process.exit(code ?? 0));

/**
 * Loads src/config.ts. A mistake in the settings ends the process with only the error's message, which workerd would print among thirty other
 * lines. Returns undefined for any other error (a module that does not load in Node, for example), because the Worker will report it.
 */
async function readConfig(): Promise<Config | undefined> {
  try {
    return (await import("../src/config.ts")).default;
  } catch (error) {
    if (error instanceof ConfigError) console.error(error.message);
    else if (error instanceof ReferenceError) console.error(`src/config.ts: ${error.message}. Is its import missing?`);
    else return undefined;
    return process.exit(1);
  }
}

/** Lists the warnings about unsafe settings that the Worker will log. Here they are printed before its output, where they are easy to see. */
function warnings(): string[] {
  if (config === undefined) return [];
  try {
    return unsafeSettings(config, sessionKeysOf(secrets["SESSION_KEYS"]), (name) => Boolean(secrets[name]?.trim()));
  } catch {
    // A secret is invalid. The Worker will report it.
    return [];
  }
}

/** Reads the names and values in .dev.vars. Returns an empty object if the file can't be read. */
function devVars(): Record<string, string | undefined> {
  try {
    return parseEnv(readFileSync(".dev.vars", "utf8"));
  } catch {
    return {};
  }
}
