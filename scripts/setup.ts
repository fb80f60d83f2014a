// npm run setup: asks for the UniAPI key, makes the other secrets, and writes .dev.vars and .production.vars (both git-ignored, mode
// 0600). What exists is kept; a second run changes nothing unless it is told to. Sends nothing anywhere.
import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import {
  keyMistake,
  makeIdKey,
  makeServerKey,
  makeSessionKey,
  parseSecrets,
  readText,
  type Secrets,
  withSecrets,
  writePrivate,
} from "./secrets-file.ts";

export const DEV_FILE = ".dev.vars";
export const PRODUCTION_FILE = ".production.vars";
/** In CI nobody types; a pipe that stays silent for so long has nothing to say. */
const CI_PATIENCE_MS = 5_000;

const DEV_HEADER = `# For npm start on this machine; git-ignored. SERVER_KEYS is left out: npm start takes calls from this machine without a key.\n`;

export interface Plan {
  dev: Secrets;
  production: Secrets;
  /** The server key that was made now, to be shown once. */
  madeServerKey: string | undefined;
}

/**
 * What is to be written: names that are missing, and the UniAPI key if another one was given. The local machine and production have
 * different ID_KEYS and SESSION_KEYS, so that no id or session of one is good in the other.
 * @param key undefined: keep what is there
 */
export function planSetup(dev: Secrets, production: Secrets, key: string | undefined): Plan {
  const known = key ?? filled(production["UNIAPI_KEY"]) ?? filled(dev["UNIAPI_KEY"]);
  if (known === undefined) throw new Error("no UniAPI key");
  const plan: Plan = { dev: {}, production: {}, madeServerKey: undefined };
  for (const [have, make] of [
    [dev, plan.dev],
    [production, plan.production],
  ] as const) {
    const present = filled(have["UNIAPI_KEY"]);
    if (present === undefined || (key !== undefined && present !== key)) make["UNIAPI_KEY"] = known;
    if (filled(have["ID_KEYS"]) === undefined) make["ID_KEYS"] = makeIdKey();
    if (filled(have["SESSION_KEYS"]) === undefined) make["SESSION_KEYS"] = makeSessionKey();
  }
  if (filled(production["SERVER_KEYS"]) === undefined)
    plan.production["SERVER_KEYS"] = plan.madeServerKey = makeServerKey();
  return plan;
}

const filled = (value: string | undefined): string | undefined => (value?.trim() ? value.trim() : undefined);

class Refusal extends Error {}

async function main(): Promise<void> {
  const values = optionsOf(process.argv.slice(2));
  const devText = readText(DEV_FILE);
  const productionText = readText(PRODUCTION_FILE);
  const dev = read(DEV_FILE, devText);
  const production = read(PRODUCTION_FILE, productionText);
  const existing = [dev, production].map((secrets) => filled(secrets["UNIAPI_KEY"])).filter((key) => key !== undefined);

  const given = await askForKey(existing.length > 0);
  let key: string | undefined;
  if (given === "") {
    if (existing.length === 0) {
      throw new Refusal(
        "There is no UniAPI key yet, and none was given. Type it in a terminal, or pipe one line: npm run setup < FILE",
      );
    }
  } else {
    const mistake = keyMistake(given);
    if (mistake !== null) throw new Refusal(`The key ${mistake}. Nothing was written.`);
    const differs = existing.some((other) => other !== given);
    if (differs && !values["replace-key"] && !(await confirm("Another UniAPI key is there already. Replace it?"))) {
      throw new Refusal("Nothing was written. To replace the key that is there: npm run setup -- --replace-key");
    }
    key = given;
  }

  const plan = planSetup(dev, production, key);
  write(DEV_FILE, devText ?? DEV_HEADER, plan.dev);
  write(PRODUCTION_FILE, productionText ?? "{}", plan.production);
  sayWhatIsNext(plan);
}

/** @throws Refusal */
export function optionsOf(args: string[]): { "replace-key": boolean } {
  try {
    return parseArgs({ args, options: { "replace-key": { type: "boolean", default: false } } }).values;
  } catch {
    throw new Refusal("Usage: npm run setup [-- --replace-key]");
  }
}

function read(path: string, text: string | undefined): Secrets {
  try {
    return parseSecrets(text ?? "");
  } catch {
    throw new Refusal(
      `${path} can't be read: it is neither dotenv nor a JSON object of texts. Mend or remove it, then try again.`,
    );
  }
}

function write(path: string, text: string, secrets: Secrets): void {
  const names = Object.keys(secrets);
  if (names.length === 0) {
    console.log(`${path}: everything is there, nothing changed`);
    return;
  }
  writePrivate(path, withSecrets(text, secrets));
  console.log(`${path}: wrote ${names.join(", ")}`);
}

function sayWhatIsNext(plan: Plan): void {
  if (plan.madeServerKey === undefined)
    console.log(`\nThe server key for your callers stands in ${PRODUCTION_FILE} (SERVER_KEYS).`);
  else {
    console.log(
      `\nThe server key for your callers, shown this once (it also stands in ${PRODUCTION_FILE}):\n\n  ${plan.madeServerKey}\n`,
    );
  }
  console.log("Next:  npm start        the Worker on this machine, with real and paid answers");
  console.log("       npm run deploy   to Cloudflare");
}

/** One line, without what surrounds it. Empty where there is none. */
async function askForKey(mayKeep: boolean): Promise<string> {
  if (!process.stdin.isTTY) return (await readLine()).trim();
  if (process.env["CI"])
    throw new Refusal("In CI nobody can type the key. Pipe one line instead: npm run setup < FILE");
  return (await readHidden(`UniAPI key (hidden${mayKeep ? "; Enter keeps the one that is there" : ""}): `)).trim();
}

async function readLine(): Promise<string> {
  const lines = createInterface({ input: process.stdin });
  const timer = process.env["CI"] ? setTimeout(() => lines.close(), CI_PATIENCE_MS) : undefined;
  try {
    for await (const line of lines) return line;
    return "";
  } finally {
    clearTimeout(timer);
    lines.close();
    process.stdin.destroy();
  }
}

/** From a terminal, without showing it. Ctrl-C ends the process, as everywhere. */
function readHidden(question: string): Promise<string> {
  const { stdin } = process;
  process.stdout.write(question);
  stdin.setRawMode(true);
  stdin.setEncoding("utf8");
  stdin.resume();
  return new Promise((resolve) => {
    let typed = "";
    const done = (): void => {
      stdin.off("data", onData);
      stdin.setRawMode(false);
      stdin.pause();
      process.stdout.write("\n");
    };
    const onData = (chunk: string): void => {
      for (const char of chunk) {
        if (char === "\u0003") {
          done();
          process.exit(130);
        }
        if (char === "\r" || char === "\n" || char === "\u0004") {
          done();
          resolve(typed);
          return;
        }
        if (char === "\u007f" || char === "\b") typed = typed.slice(0, -1);
        else if (char === "\u0015") typed = "";
        else typed += char;
      }
    };
    stdin.on("data", onData);
  });
}

async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim());
  } finally {
    terminal.close();
  }
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
