// npm run setup: asks for the UniAPI key, generates the other secrets, and writes .dev.vars and .production.vars (both git-ignored, mode
// 0600). Then it fetches the models that UniAPI lists for the key, and lets the user choose the default model. It replaces an existing
// value only on request.
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline/promises";
import { parseArgs } from "node:util";
import { baseUrlOf } from "../src/core/config/vars.ts";
import { chooseModel, configWithModel, fetchModels, listOf, type ListedModel, shippedModel } from "./default-model.ts";
import {
  keyMistake,
  makeIdKey,
  makeServerKey,
  makeSessionKey,
  parseSecrets,
  readText,
  type Secrets,
  mergeSecrets,
  writePrivate,
} from "./secrets-file.ts";
import { CommandError } from "./command-error.ts";

export const DEV_FILE = ".dev.vars";
export const PRODUCTION_FILE = ".production.vars";
const CONFIG_FILE = "src/config.ts";
/** In CI nobody can type the key, so a pipe that has sent no line after this time counts as empty. */
const CI_PIPE_TIMEOUT_MS = 5_000;

const DEV_HEADER = `# For npm start on this machine; git-ignored. SERVER_KEYS is left out: npm start takes calls from this machine without a key.\n`;

export interface Plan {
  dev: Secrets;
  production: Secrets;
  /** The server key that this run generated, to be shown once; undefined if there was one already. */
  newServerKey: string | undefined;
}

/**
 * Decides which values to write: all that are missing, and the UniAPI key if the user gave another one. The local machine and production
 * have different ID_KEYS and SESSION_KEYS, so that ids and sessions of one are invalid in the other.
 * @param key the UniAPI key that the user gave. If undefined, the existing key is used
 * @throws Error if there is no UniAPI key at all
 */
export function planSetup(dev: Secrets, production: Secrets, key: string | undefined): Plan {
  const known = key ?? nonEmpty(production["UNIAPI_KEY"]) ?? nonEmpty(dev["UNIAPI_KEY"]);
  if (known === undefined) throw new Error("no UniAPI key");
  const plan: Plan = { dev: {}, production: {}, newServerKey: undefined };
  for (const [existing, changes] of [
    [dev, plan.dev],
    [production, plan.production],
  ] as const) {
    const present = nonEmpty(existing["UNIAPI_KEY"]);
    if (present === undefined || (key !== undefined && present !== key)) changes["UNIAPI_KEY"] = known;
    if (nonEmpty(existing["ID_KEYS"]) === undefined) changes["ID_KEYS"] = makeIdKey();
    if (nonEmpty(existing["SESSION_KEYS"]) === undefined) changes["SESSION_KEYS"] = makeSessionKey();
  }
  if (nonEmpty(production["SERVER_KEYS"]) === undefined)
    plan.production["SERVER_KEYS"] = plan.newServerKey = makeServerKey();
  return plan;
}

const nonEmpty = (value: string | undefined): string | undefined => (value?.trim() ? value.trim() : undefined);

async function main(): Promise<void> {
  const values = optionsOf(process.argv.slice(2));
  const devText = readText(DEV_FILE);
  const productionText = readText(PRODUCTION_FILE);
  const dev = read(DEV_FILE, devText);
  const production = read(PRODUCTION_FILE, productionText);
  const existing = [dev, production]
    .map((secrets) => nonEmpty(secrets["UNIAPI_KEY"]))
    .filter((key) => key !== undefined);

  const given = await askForKey(existing.length > 0);
  let key: string | undefined;
  if (given === "") {
    if (existing.length === 0) {
      throw new CommandError(
        "There is no UniAPI key yet, and none was given. Type it in a terminal, or pipe one line: npm run setup < FILE",
      );
    }
  } else {
    const mistake = keyMistake(given);
    if (mistake !== null) throw new CommandError(`The key ${mistake}. Nothing was written.`);
    const differs = existing.some((other) => other !== given);
    if (differs && !values["replace-key"] && !(await confirm("There is already another UniAPI key. Replace it?"))) {
      throw new CommandError("Nothing was written. To replace the existing key: npm run setup -- --replace-key");
    }
    key = given;
  }

  const plan = planSetup(dev, production, key);
  write(DEV_FILE, devText ?? DEV_HEADER, plan.dev);
  write(PRODUCTION_FILE, productionText ?? "{}", plan.production);
  try {
    await setDefaultModel({ ...dev, ...plan.dev }, values.model);
  } finally {
    printNextSteps(plan);
  }
}

/** @param requested the model that `--model` names */
async function setDefaultModel(secrets: Secrets, requested: string | undefined): Promise<void> {
  const config = readText(CONFIG_FILE) ?? "";
  const current = shippedModel(config);
  const models = await modelsOf(secrets);
  const isListed = (model: string): boolean => models === undefined || models.some(({ id }) => id === model);
  if (requested !== undefined && !isListed(requested))
    throw new CommandError(`--model: UniAPI lists no model of that name for this key. ${CONFIG_FILE} was not changed.`);
  let model = requested;
  if (model === undefined && models !== undefined && process.stdin.isTTY) {
    console.log(`\nModels that UniAPI lists for this key:\n\n${listOf(models)}\n`);
    model = await chooseModel(models, current, askVisibly, console.log);
  }
  if (model === undefined) {
    if (current === undefined) return;
    const ends = models?.find(({ id }) => id === current)?.ends;
    if (!isListed(current))
      console.log(`UniAPI does not list ${current} for this key. Set another: npm run setup -- --model NAME`);
    else if (ends !== undefined) console.log(`${current} ends on ${ends}. Set another: npm run setup -- --model NAME`);
    else console.log(`Default model: ${current} (npm run setup -- --model NAME sets another)`);
    return;
  }
  const changed = configWithModel(config, model);
  if (changed === undefined) {
    console.log(`${CONFIG_FILE} has settings of your own, so it was not changed. Set the default model there:`);
    console.log(`\n  defaults: { model: ${JSON.stringify(model)} }\n`);
    return;
  }
  if (changed !== config) writeFileSync(CONFIG_FILE, changed);
  console.log(`${CONFIG_FILE}: the default model is ${model}`);
}

/** Fetches UniAPI's list of models. If the list can't be read, prints the reason and returns undefined. */
async function modelsOf(secrets: Secrets): Promise<ListedModel[] | undefined> {
  try {
    return await fetchModels(baseUrlOf(secrets["UNIAPI_BASE_URL"], true), secrets["UNIAPI_KEY"] ?? "");
  } catch (error) {
    const reason = error instanceof Error ? error.message : "no answer";
    console.log(`UniAPI's list of models can't be read (${reason}), so no model was checked.`);
    return undefined;
  }
}

/** @throws CommandError */
export function optionsOf(args: string[]): { "replace-key": boolean; model?: string } {
  try {
    const options = { "replace-key": { type: "boolean", default: false }, model: { type: "string" } } as const;
    const { model, ...values } = parseArgs({ args, options }).values;
    return model === undefined ? values : { ...values, model };
  } catch {
    throw new CommandError("Usage: npm run setup [-- --replace-key --model NAME]");
  }
}

function read(path: string, text: string | undefined): Secrets {
  try {
    return parseSecrets(text ?? "");
  } catch {
    throw new CommandError(
      `${path} can't be read: it is neither dotenv nor a JSON object of strings. Fix or remove it, then try again.`,
    );
  }
}

function write(path: string, text: string, secrets: Secrets): void {
  const names = Object.keys(secrets);
  if (names.length === 0) {
    console.log(`${path}: everything is there, nothing changed`);
    return;
  }
  writePrivate(path, mergeSecrets(text, secrets));
  console.log(`${path}: wrote ${names.join(", ")}`);
}

function printNextSteps(plan: Plan): void {
  if (plan.newServerKey === undefined)
    console.log(`\nThe server key for your callers is in ${PRODUCTION_FILE} (SERVER_KEYS).`);
  else {
    console.log(
      `\nThe server key for your callers, shown only this once (it is also in ${PRODUCTION_FILE}):\n\n  ${plan.newServerKey}\n`,
    );
  }
  console.log("Next:  npm start        the Worker on this machine, with real and paid answers");
  console.log("       npm run deploy   to Cloudflare");
}

/** Reads the key that the user types or pipes. Returns an empty string if there is none. @throws CommandError on a terminal in CI */
async function askForKey(mayKeep: boolean): Promise<string> {
  if (!process.stdin.isTTY) return (await readLine()).trim();
  if (process.env["CI"])
    throw new CommandError("In CI nobody can type the key. Pipe one line instead: npm run setup < FILE");
  return (await readHidden(`UniAPI key (hidden${mayKeep ? "; Enter keeps the existing one" : ""}): `)).trim();
}

async function readLine(): Promise<string> {
  const lines = createInterface({ input: process.stdin });
  const timer = process.env["CI"] ? setTimeout(() => lines.close(), CI_PIPE_TIMEOUT_MS) : undefined;
  try {
    for await (const line of lines) return line;
    return "";
  } finally {
    clearTimeout(timer);
    lines.close();
    process.stdin.destroy();
  }
}

/** Reads a line from the terminal without showing it. Ctrl-C ends the process, as usual. */
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
  return process.stdin.isTTY && /^y(es)?$/i.test((await askVisibly(`${question} [y/N] `)).trim());
}

/** Reads a line from the terminal. Returns an empty string after Ctrl-C. */
async function askVisibly(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return await terminal.question(question);
  } catch {
    return "";
  } finally {
    terminal.close();
  }
}

if (import.meta.main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
