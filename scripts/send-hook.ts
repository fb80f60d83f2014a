// npm run send-hook NAME FILE [-- --url URL --event EVENT]: signs FILE as the sender of the hook NAME would, with the secret in .dev.vars,
// posts it to the Worker on this machine and prints the reply. Signs with Node's crypto, not with what the Worker verifies with.
import { createHmac, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Hook } from "../src/core/config/config-schema.ts";
import { ConfigError } from "../src/core/config/define-config.ts";
import { objectOf, parseJson } from "../src/core/lib/json.ts";
import { isLoopbackHost } from "../src/core/lib/loopback.ts";
import { Problem } from "../src/core/lib/problem.ts";
import { hookSecrets } from "../src/hooks/scheme.ts";
import { schemeOf } from "../src/hooks/senders.ts";
import { parseSecrets, readText, type Secrets } from "./secrets-file.ts";
import { DEV_FILE } from "./setup.ts";

const USAGE = "npm run send-hook NAME FILE [-- --url http://localhost:8787 --event GITHUB_EVENT]";

export class Refusal extends Error {}

/** GitHub's event by the fields that its payload has; the first that fits. */
const GITHUB_EVENTS: readonly (readonly [event: string, ...fields: string[]])[] = [
  ["ping", "zen"],
  ["issue_comment", "issue", "comment"],
  ["discussion_comment", "discussion", "comment"],
  ["pull_request_review", "pull_request", "review"],
  ["pull_request_review_comment", "pull_request", "comment"],
  ["pull_request", "pull_request"],
  ["issues", "issue"],
  ["discussion", "discussion"],
  ["release", "release"],
  ["workflow_run", "workflow_run"],
  ["push", "commits"],
];

export interface Sending {
  hook: Hook;
  secret: string;
  raw: Uint8Array;
  nowMs: number;
  /** A UUID. */
  id: string;
  /** GitHub's; absent: told by the payload. */
  event?: string | undefined;
}

/** The headers of a real delivery. @throws Refusal */
export function signedHeaders({ hook, secret, raw, nowMs, id, event }: Sending): Record<string, string> {
  const time = String(Math.floor(nowMs / 1_000));
  const text = new TextDecoder().decode(raw);
  const type = { "content-type": /^\s*[{[]/.test(text) ? "application/json" : "application/x-www-form-urlencoded" };
  switch (hook.scheme) {
    case "standard": {
      const name = `msg_${id.replaceAll("-", "")}`;
      const key = Buffer.from(secret.slice("whsec_".length), "base64");
      const signature = `v1,${sign(key, "base64", `${name}.${time}.`, raw)}`;
      return { ...type, "webhook-id": name, "webhook-timestamp": time, "webhook-signature": signature };
    }
    case "github":
      return {
        ...type,
        "user-agent": "GitHub-Hookshot/0000000",
        "x-github-event": event ?? githubEvent(text),
        "x-github-delivery": id,
        "x-hub-signature-256": `sha256=${sign(secret, "hex", raw)}`,
      };
    case "stripe":
      return {
        ...type,
        "user-agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "stripe-signature": `t=${time},v1=${sign(secret, "hex", `${time}.`, raw)}`,
      };
    case "slack":
      return {
        ...type,
        "user-agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
        "x-slack-request-timestamp": time,
        "x-slack-signature": `v0=${sign(secret, "hex", `v0:${time}:`, raw)}`,
      };
    case "telegram":
      return { ...type, "x-telegram-bot-api-secret-token": secret };
  }
  const signed = hook.template
    .split(/(\{body\}|\{timestamp\})/)
    .map((part) => (part === "{body}" ? raw : part === "{timestamp}" ? time : part));
  return {
    ...type,
    ...(hook.timestamp_header === undefined ? {} : { [hook.timestamp_header]: time }),
    ...(hook.id_header === undefined ? {} : { [hook.id_header]: id }),
    [hook.header]: sign(secret, hook.encoding, ...signed),
  };
}

function sign(key: string | Buffer, encoding: "hex" | "base64", ...parts: (string | Uint8Array)[]): string {
  const mac = createHmac("sha256", key);
  for (const part of parts) mac.update(part);
  return mac.digest(encoding);
}

function githubEvent(text: string): string {
  const payload = objectOf(parseJson(text));
  const found = GITHUB_EVENTS.find(([, ...fields]) => fields.every((field) => Object.hasOwn(payload, field)));
  if (found === undefined)
    throw new Refusal("The payload does not tell which GitHub event it is. Say it: -- --event NAME");
  return found[0];
}

/** The hook and the secret that signs for it. @throws Refusal */
export function hookNamed(
  name: string,
  hooks: Record<string, Hook>,
  secrets: Secrets,
): Pick<Sending, "hook" | "secret"> {
  const hook = Object.hasOwn(hooks, name) ? hooks[name] : undefined;
  if (hook === undefined) {
    const known = Object.keys(hooks);
    const which =
      known.length === 0
        ? "It has no hooks yet: docs/webhooks.md shows how to write one."
        : `It has: ${known.join(", ")}.`;
    throw new Refusal(`There is no hook ${JSON.stringify(name)} in src/config.ts. ${which}`);
  }
  const scheme = schemeOf(hook);
  const value = secrets[hook.secret_name];
  if (!value?.trim()) {
    const form =
      scheme.secretForm === undefined ? "any text will do for a try" : `it must be ${scheme.secretForm.must}`;
    throw new Refusal(
      `${hook.secret_name} is not in ${DEV_FILE}. Add it as ${hook.secret_name}=SECRET (${form}), then start the Worker again.`,
    );
  }
  try {
    const [secret = ""] = hookSecrets(scheme, hook.secret_name, value);
    return { hook, secret };
  } catch (error) {
    if (error instanceof Problem) throw new Refusal(`${DEV_FILE}: ${error.message}`);
    throw error;
  }
}

/** Where to post: this machine, unless another address is asked for in so many words. @throws Refusal */
export function targetOf(name: string, url: string | undefined, port = "8787"): string {
  const base = URL.parse(url ?? `http://localhost:${port}`);
  if (base === null || !/^https?:$/.test(base.protocol)) throw new Refusal("--url must be like http://localhost:8787");
  if (base.protocol === "http:" && !isLoopbackHost(base.hostname)) {
    throw new Refusal("--url must begin with https:// unless it is this machine: the event would go out in clear.");
  }
  return `${base.origin}${base.pathname.replace(/\/+$/, "")}/hooks/${encodeURIComponent(name)}`;
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Refusal(
      `${file} can't be read (${error instanceof Error && "code" in error ? String(error.code) : "unknown error"}).`,
    );
  }
}

/** @throws Refusal */
export function argumentsOf(args: string[]): {
  name: string;
  file: string;
  url?: string | undefined;
  event?: string | undefined;
} {
  const options = { url: { type: "string" }, event: { type: "string" } } as const;
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    // npm takes options for its own and leaves their values behind, unless there is a -- before them: a third word is such a value.
    const [name, file, ...rest] = positionals;
    if (name !== undefined && file !== undefined && rest.length === 0) return { ...values, name, file };
  } catch {
    // Said below.
  }
  throw new Refusal(`Usage: ${USAGE}`);
}

async function main(): Promise<boolean> {
  const { name, file, url, event } = argumentsOf(process.argv.slice(2));
  const target = targetOf(name, url, process.env["PORT"]);
  const { default: config } = await import("../src/config.ts");
  const { hook, secret } = hookNamed(name, config.hooks, parseSecrets(readText(DEV_FILE) ?? ""));
  const raw = read(file);
  const headers = signedHeaders({ hook, secret, raw, nowMs: Date.now(), id: randomUUID(), event });
  const response = await fetch(target, {
    method: "POST",
    headers,
    body: new Uint8Array(raw),
    redirect: "manual",
  }).catch((error: unknown) => {
    throw new Refusal(`${target} does not answer. Start the Worker first: npm start`, { cause: error });
  });
  console.log(`POST ${target}\n${response.status} ${response.statusText}\n${await response.text()}`);
  return response.ok;
}

if (import.meta.main) {
  try {
    if (!(await main())) process.exitCode = 1;
  } catch (error) {
    if (!(error instanceof Refusal || error instanceof ConfigError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
