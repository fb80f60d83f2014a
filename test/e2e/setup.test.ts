// `npm run setup` as a pipe and its flags drive it, in a copy of the project, with the emulator as UniAPI.
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";

const KEY = "sk-0123456789abcdef";
const CONFIG = "src/config.ts";
const SHIPPED = readFileSync(CONFIG, "utf8");

let emulator: Emulator;
let home: string;
beforeAll(async () => {
  emulator = await startEmulator({ key: KEY });
});
afterAll(() => emulator.close());
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "uniapi-edge-setup-"));
  for (const path of ["package.json", "scripts", "src/core", "src/contract", CONFIG])
    cpSync(path, join(home, path), { recursive: true });
  mkdirSync(join(home, "test"));
  symlinkSync(resolve("node_modules"), join(home, "node_modules"));
  writeFileSync(join(home, ".dev.vars"), `UNIAPI_BASE_URL=${emulator.url}\n`);
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const config = (): string => readFileSync(join(home, CONFIG), "utf8");

/** Pipes one line into the script. */
async function setup(line: string, ...args: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, ["scripts/setup.ts", ...args], { cwd: home });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stdin.end(`${line}\n`);
  const code = await new Promise<number | null>((done) => child.on("exit", done));
  return { code, output };
}

test("a piped key writes the secrets without a prompt, and a default model that UniAPI lists is only printed", async () => {
  const { code, output } = await setup(KEY);
  expect([code, output]).toEqual([0, expect.stringContaining(".production.vars: wrote UNIAPI_KEY")]);
  expect(output).toContain("Default model: gpt-6-luna");
  expect(output).not.toContain(KEY);
  expect(config()).toBe(SHIPPED);
});

test("--model sets the default in an unmodified src/config.ts, and can change it a second time", async () => {
  for (const model of ["gpt-6-sol", "gpt-5.6-terra"]) {
    const { code, output } = await setup(KEY, "--model", model);
    expect([code, output]).toEqual([0, expect.stringContaining(`src/config.ts: the default model is ${model}`)]);
    expect(config()).toBe(SHIPPED.replace("gpt-6-luna", model));
  }
});

test("--model does not change a src/config.ts with other settings, and prints the line to change", async () => {
  const own = SHIPPED.replace("} });", "}, console: true });");
  writeFileSync(join(home, CONFIG), own);
  const { code, output } = await setup(KEY, "--model", "gpt-6-sol");
  expect([code, output]).toEqual([0, expect.stringContaining('defaults: { model: "gpt-6-sol" }')]);
  expect(config()).toBe(own);
});

test("--model refuses a name that UniAPI does not list", async () => {
  const { code, output } = await setup(KEY, "--model", "gpt-6-lunar");
  expect(output).toContain("The server key for your callers");
  expect([code, output]).toEqual([1, expect.stringContaining("UniAPI lists no model of that name for this key")]);
  expect(config()).toBe(SHIPPED);
});

test("a default model that UniAPI does not list gets a message with the command that changes it", async () => {
  writeFileSync(join(home, CONFIG), SHIPPED.replace("gpt-6-luna", "gpt-4.1-retired"));
  const { code, output } = await setup(KEY);
  expect([code, output]).toEqual([0, expect.stringContaining("UniAPI does not list gpt-4.1-retired for this key")]);
  expect(output).toContain("npm run setup -- --model NAME");
});

test("a default model with a shutdown date gets a message with that date", async () => {
  writeFileSync(join(home, CONFIG), SHIPPED.replace("gpt-6-luna", "gpt-4.1"));
  const { code, output } = await setup(KEY);
  expect([code, output]).toEqual([0, expect.stringContaining("gpt-4.1 ends on 2027-01-14")]);
});

test("if the list of models can't be read, setup prints that and continues", async () => {
  writeFileSync(join(home, ".dev.vars"), "UNIAPI_BASE_URL=http://127.0.0.1:9\n");
  const { code, output } = await setup(KEY, "--model", "gpt-6-sol");
  expect([code, output]).toEqual([0, expect.stringContaining("UniAPI's list of models can't be read")]);
  expect(output).toContain(".dev.vars: wrote UNIAPI_KEY");
  expect(config()).toBe(SHIPPED.replace("gpt-6-luna", "gpt-6-sol"));
});
