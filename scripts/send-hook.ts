// npm run send-hook NAME FILE [-- --url URL --event EVENT]: signs FILE as the sender of the hook NAME would, with the secret in .dev.vars.
// Then posts FILE to the Worker, by default on this machine, and prints the response.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Hook } from "../src/core/config/config-schema.ts";
import { ConfigError } from "../src/core/config/define-config.ts";
import { Problem } from "../src/core/lib/problem.ts";
import { hookSecrets } from "../src/hooks/sender.ts";
import { senderOf } from "../src/hooks/senders.ts";
import { CommandError } from "./command-error.ts";
import { type SampleEvent, SIGNERS } from "./hook-signers.ts";
import { parseSecrets, readText, type Secrets } from "./secrets-file.ts";
import { DEV_FILE } from "./setup.ts";
import { isLoopbackHost } from "../src/core/lib/url-rules.ts";

const USAGE = "npm run send-hook NAME FILE [-- --url http://localhost:8787 --event GITHUB_EVENT]";

/** Creates the headers that the hook's sender would send with this event. @throws CommandError */
export function signedHeaders(hook: Hook, event: SampleEvent): Record<string, string> {
  const isJson = /^\s*[{[]/.test(new TextDecoder().decode(event.raw));
  return {
    "content-type": isJson ? "application/json" : "application/x-www-form-urlencoded",
    ...SIGNERS[hook.scheme].headers(event, hook),
  };
}

/** Finds the hook of this name, and the secret that signs its events. @throws CommandError */
export function findHook(name: string, hooks: Record<string, Hook>, secrets: Secrets): { hook: Hook; secret: string } {
  const hook = Object.hasOwn(hooks, name) ? hooks[name] : undefined;
  if (hook === undefined) {
    const known = Object.keys(hooks);
    const which =
      known.length === 0
        ? "It has no hooks yet: docs/webhooks.md shows how to write one."
        : `It has: ${known.join(", ")}.`;
    throw new CommandError(`There is no hook ${JSON.stringify(name)} in src/config.ts. ${which}`);
  }
  const sender = senderOf(hook);
  const value = secrets[hook.secret_name];
  if (!value?.trim()) {
    const form =
      sender.secretForm === undefined ? "any text will do for a test" : `it must be ${sender.secretForm.must}`;
    throw new CommandError(
      `${hook.secret_name} is not in ${DEV_FILE}. Add it as ${hook.secret_name}=SECRET (${form}), then start the Worker again.`,
    );
  }
  try {
    const [secret = ""] = hookSecrets(sender, hook.secret_name, value);
    return { hook, secret };
  } catch (error) {
    if (error instanceof Problem) throw new CommandError(`${DEV_FILE}: ${error.message}`);
    throw error;
  }
}

/** Builds the URL to post to. It is on this machine, unless `--url` names another. @throws CommandError */
export function targetOf(name: string, url: string | undefined, port = "8787"): string {
  const base = URL.parse(url ?? `http://localhost:${port}`);
  if (base === null || !/^https?:$/.test(base.protocol))
    throw new CommandError("--url must be like http://localhost:8787");
  if (base.protocol === "http:" && !isLoopbackHost(base.hostname)) {
    throw new CommandError(
      "--url must begin with https:// unless it is this machine: the event would be sent unencrypted.",
    );
  }
  return `${base.origin}${base.pathname.replace(/\/+$/, "")}/hooks/${encodeURIComponent(name)}`;
}

function readSample(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new CommandError(
      `${file} can't be read (${error instanceof Error && "code" in error ? String(error.code) : "unknown error"}).`,
    );
  }
}

/** @throws CommandError */
export function argumentsOf(args: string[]): {
  name: string;
  file: string;
  url?: string | undefined;
  event?: string | undefined;
} {
  const options = { url: { type: "string" }, event: { type: "string" } } as const;
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    // Without the separator `--`, npm consumes an option's name and passes on only its value, as a third positional argument.
    const [name, file, ...rest] = positionals;
    if (name !== undefined && file !== undefined && rest.length === 0) return { ...values, name, file };
  } catch {
    // The CommandError below replaces this error.
  }
  throw new CommandError(`Usage: ${USAGE}`);
}

async function main(): Promise<boolean> {
  const { name, file, url, event } = argumentsOf(process.argv.slice(2));
  const target = targetOf(name, url, process.env["PORT"]);
  const { default: config } = await import("../src/config.ts");
  const { hook, secret } = findHook(name, config.hooks, parseSecrets(readText(DEV_FILE) ?? ""));
  const raw = readSample(file);
  const headers = signedHeaders(hook, { raw, secret, nowMs: Date.now(), id: randomUUID(), event });
  const response = await fetch(target, {
    method: "POST",
    headers,
    body: new Uint8Array(raw),
    redirect: "manual",
  }).catch((error: unknown) => {
    throw new CommandError(`${target} does not answer. Start the Worker first: npm start`, { cause: error });
  });
  console.log(`POST ${target}\n${response.status} ${response.statusText}\n${await response.text()}`);
  return response.ok;
}

if (import.meta.main) {
  try {
    if (!(await main())) process.exitCode = 1;
  } catch (error) {
    if (!(error instanceof CommandError || error instanceof ConfigError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
