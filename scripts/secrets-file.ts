// Reads and writes files of secrets: `.dev.vars` (dotenv, for npm start) and `.production.vars` (JSON, for wrangler deploy --secrets-file).
// The latter is JSON because wrangler expands `$` in dotenv, and prefers variables of the shell. Only the given names are changed, and no
// value is ever printed.
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { parseEnv } from "node:util";

export type Secrets = Record<string, string>;

/** The form of keys from UniAPI and similar relays. This form excludes all characters that are special in dotenv. */
const UNIAPI_KEY = /^[\w.:+/=~-]{8,512}$/;
/** The forms that src/gate/server-key.ts and src/core/config/vars.ts accept. */
const SERVER_KEY = /^(?:[\w.-]{1,64}:)?sk_[\x21-\x7e]{13,}$/;
const SESSION_KEY = /^[\w.-]{1,64}:\S+$/;

/** Explains why this can't be a UniAPI key. Returns null if it can. The message does not contain the key. */
export function keyMistake(key: string): string | null {
  if (UNIAPI_KEY.test(key)) return null;
  if (key === "") return "is empty";
  if (key.length < 8) return "is too short";
  return "has characters that no UniAPI key has: paste the key alone, without quotes or spaces";
}

/** Generates a server key: `sk_` and 40 characters from `A-Z`, `a-z`, `0-9`, `-` and `_`. */
export const makeServerKey = (): string => `sk_${randomBytes(30).toString("base64url")}`;
export const makeIdKey = (): string => randomBytes(32).toString("base64");
/** Generates a session key. Its kid is the current date, so that rotated keys have different kids and sort by date. */
export const makeSessionKey = (): string =>
  `k${new Date().toISOString().slice(0, 10)}:${randomBytes(32).toString("base64url")}`;

/** Lists the mistakes in the secrets of a deployment, one sentence each. */
export function secretMistakes(secrets: Secrets): string[] {
  const mistakes: string[] = [];
  const key = keyMistake(secrets["UNIAPI_KEY"] ?? "");
  if (key !== null) mistakes.push(`UNIAPI_KEY ${key}`);
  const serverKeys = entries(secrets["SERVER_KEYS"]);
  if (serverKeys.length === 0) mistakes.push("SERVER_KEYS is empty: nobody could call the Worker");
  if (!serverKeys.every((entry) => SERVER_KEY.test(entry))) {
    mistakes.push("SERVER_KEYS must be sk_… or name:sk_…, separated by commas, each key with at least 16 characters");
  }
  const idKeys = entries(secrets["ID_KEYS"]);
  if (idKeys.length === 0)
    mistakes.push("ID_KEYS is empty: ids would become invalid with the next change of UNIAPI_KEY");
  if (!idKeys.every((entry) => isBase64(entry) && Buffer.from(entry, "base64").length === 32)) {
    mistakes.push("ID_KEYS must be base64 of 32 bytes each, separated by commas");
  }
  if (!entries(secrets["SESSION_KEYS"]).every((entry) => SESSION_KEY.test(entry))) {
    mistakes.push("SESSION_KEYS must be kid:secret, separated by commas");
  }
  return mistakes;
}

const entries = (value: string | undefined): string[] =>
  (value ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
const isBase64 = (text: string): boolean => /^[A-Za-z0-9+/]+={0,2}$/.test(text);

/**
 * Parses the text of a file. Text that begins with `{` is JSON, any other text dotenv.
 * @throws Error if JSON is not an object of strings
 */
export function parseSecrets(text: string): Secrets {
  const secrets: Secrets = {};
  const values: unknown = isJson(text) ? JSON.parse(text) : parseEnv(text);
  for (const [name, value] of Object.entries(values ?? {})) {
    if (typeof value !== "string") throw new Error(`${name} must be a string`);
    secrets[name] = value;
  }
  return secrets;
}

/** Sets these values in the text of a file. In dotenv, new names are added at the end. Everything else is unchanged. */
export function mergeSecrets(text: string, secrets: Secrets): string {
  if (isJson(text)) return `${JSON.stringify({ ...parseSecrets(text), ...secrets }, null, 2)}\n`;
  let out = text === "" || text.endsWith("\n") ? text : `${text}\n`;
  for (const [name, value] of Object.entries(secrets)) {
    const line = new RegExp(`^[ \\t]*(?:export[ \\t]+)?${name}[ \\t]*=.*$`, "m");
    out = line.test(out) ? out.replace(line, () => `${name}=${value}`) : `${out}${name}=${value}\n`;
  }
  return out;
}

const isJson = (text: string): boolean => text.trimStart().startsWith("{");

/** Reads a file. Returns undefined if the file does not exist. */
export function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/** Replaces the file atomically. Only its owner can read it. */
export function writePrivate(path: string, text: string): void {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.vars`;
  const file = openSync(temporary, "wx", 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
    closeSync(file);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
