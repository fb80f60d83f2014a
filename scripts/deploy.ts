// npm run deploy [-- ARGUMENTS OF wrangler deploy]: checks the production secrets, deploys the Worker with them, and prints a curl command
// to try. `-- --dry-run` does everything but the upload. `-- --secrets-file FILE` uses another file. Workers Builds have no secrets file,
// so there the Worker's existing secrets remain. The script never prints a secret.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseSecrets, readText, secretMistakes } from "./secrets-file.ts";
import { PRODUCTION_FILE } from "./setup.ts";

/** Splits `--secrets-file` from the other arguments. The default file is .production.vars. */
export function takeSecretsFile(args: readonly string[]): { file: string; rest: string[] } {
  const rest: string[] = [];
  let file = PRODUCTION_FILE;
  for (let at = 0; at < args.length; at += 1) {
    const arg = args[at] ?? "";
    if (arg === "--secrets-file") file = args[(at += 1)] ?? "";
    else if (arg.startsWith("--secrets-file=")) file = arg.slice("--secrets-file=".length);
    else rest.push(arg);
  }
  return { file, rest };
}

/** Explains why these secrets can't be deployed. Returns null if they can. */
export function secretsRefusal(file: string, text: string | undefined): string | null {
  if (text === undefined) return `${file} does not exist. Create it first: npm run setup`;
  let mistakes: string[];
  try {
    mistakes = secretMistakes(parseSecrets(text));
  } catch {
    return `${file} can't be read: it is neither dotenv nor a JSON object of strings.`;
  }
  return mistakes.length === 0
    ? null
    : `${file}:\n${mistakes.map((one) => `  ${one}`).join("\n")}\nnpm run setup fills in what is missing.`;
}

/**
 * Whether to deploy without a file of secrets. Workers Builds (used by the Deploy button) have no such file: the secrets are stored only at
 * Cloudflare, and a deployment does not change them.
 */
export function usesDeployedSecrets(
  file: string,
  text: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return env["WORKERS_CI"] === "1" && file === PRODUCTION_FILE && text === undefined;
}

/** Finds the Worker's URL in the lines of JSON that wrangler writes to WRANGLER_OUTPUT_FILE_PATH. Returns undefined if there is none. */
export function deployedUrl(output: string): string | undefined {
  for (const line of output.split("\n")) {
    if (!line.includes('"deploy"')) continue;
    const entry = JSON.parse(line) as { type?: unknown; targets?: unknown };
    if (entry.type !== "deploy" || !Array.isArray(entry.targets)) continue;
    // A target is "https://name.account.workers.dev", or a custom domain or route without a scheme, followed by more words.
    const targets = entry.targets
      .filter((target) => typeof target === "string")
      .map((target) => target.split(" ")[0] ?? "");
    const url = targets.find((target) => target.startsWith("https://"));
    const host = targets.find((target) => /^[\w-]+(\.[\w-]+)+$/.test(target));
    return url ?? (host === undefined ? undefined : `https://${host}`);
  }
  return undefined;
}

export function curlLine(url: string): string {
  return `curl ${url.replace(/\/+$/, "")}/ask -H "Authorization: Bearer $SERVER_KEY" -d 'hi'`;
}

async function main(): Promise<number> {
  const { file, rest } = takeSecretsFile(process.argv.slice(2));
  const text = readText(file);
  const hasDeployedSecrets = usesDeployedSecrets(file, text, process.env);
  const refusal = hasDeployedSecrets ? null : secretsRefusal(file, text);
  if (refusal !== null) {
    console.error(refusal);
    return 1;
  }
  const dir = mkdtempSync(join(tmpdir(), "uniapi-edge-deploy-"));
  const outputFile = join(dir, "wrangler.ndjson");
  try {
    // wrangler needs the terminal, because it may ask for a login or an account.
    const code = await run(
      "wrangler",
      ["deploy", ...(hasDeployedSecrets ? [] : ["--secrets-file", file]), ...rest],
      outputFile,
    );
    if (code !== 0 || rest.includes("--dry-run")) return code;
    const url = deployedUrl(readText(outputFile) ?? "");
    const where = hasDeployedSecrets ? "SERVER_KEYS" : `SERVER_KEYS in ${file}`;
    console.log(`\nTry it, with SERVER_KEY set to the sk_… of ${where} (without its name:):\n`);
    console.log(`  ${curlLine(url ?? "https://YOUR-WORKER")}\n`);
    return 0;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function run(command: string, args: string[], outputFile: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: "inherit",
      env: { ...process.env, WRANGLER_OUTPUT_FILE_PATH: outputFile },
    });
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => child.kill(signal));
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
  });
}

if (import.meta.main) process.exitCode = await main();
