// The command lines and snippets of README.md, docs/api.md and docs/concepts.md, run as they are printed, with this Worker's address and
// key. The text below a command must be its output, except for ids, times and parts that are abbreviated with "…".
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Gateway, SERVER_KEY, startGateway } from "../clients/gateway.ts";
import { blocksOf, readText } from "../support/markdown.ts";

interface Printed {
  command: string;
  /** Undefined: the document shows no output. */
  output: string | undefined;
}

const HAS_JQ = spawnSync("jq", ["--version"]).status === 0;
/** The command that the README offers to machines without jq. */
const WITHOUT_JQ = (field: string): string => `node -p 'JSON.parse(fs.readFileSync(0)).${field}'`;

/** Commands that call the Worker, each with the block below it if that is output. */
function printedIn(page: string): Printed[] {
  const blocks = blocksOf(page);
  return blocks.flatMap((block, at) => {
    if (!block.startsWith("sh\n") || !block.includes("localhost:8787")) return [];
    const next = blocks[at + 1] ?? "";
    const output = /^(?:json)?\n/.test(next) ? next.replace(/^(?:json)?\n/, "") : undefined;
    return [{ command: block.slice(3), output }];
  });
}

/** Output without the parts that differ from run to run. */
const stable = (output: string): string =>
  output
    .replaceAll("\r", "")
    .replaceAll(/resp_ue1_[\w-]+/g, "ID")
    .replaceAll(/req_[0-9a-f]+/g, "REQUEST")
    .replaceAll(/"created_at":\d+/g, '"created_at":0')
    .replaceAll(/\b[0-9a-f]{12}-(\d+)$/gm, "RUN-$1")
    .replaceAll(/ttl=3[56]\d\d/g, "ttl=TTL")
    .trim();

/** "…" on a line of its own matches any lines. */
const patternOf = (output: string): RegExp =>
  new RegExp(
    `^${stable(output)
      .split(/\n*…\n*/)
      .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\/-]/g, String.raw`\$&`))
      .join(String.raw`[\s\S]*`)}$`,
  );

let home: string;
beforeAll(() => {
  // A project of its own: the snippets import packages.
  home = mkdtempSync(join(tmpdir(), "uniapi-edge-readme-"));
  symlinkSync(resolve("node_modules"), join(home, "node_modules"));
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

describe.each(["README.md", "docs/api.md", "docs/concepts.md"])("%s", (page) => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.stop());

  const here = (text: string): string =>
    text.replaceAll("http://localhost:8787", gateway.url).replaceAll("localhost:8787", new URL(gateway.url).host);
  const run = async (command: string): Promise<string> =>
    (await promisify(execFile)("bash", ["-c", here(command)], { cwd: home })).stdout;

  test.each(printedIn(page))("shows the actual output of $command", async ({ command, output }) => {
    let line = HAS_JQ ? command : command.replaceAll(/jq -r \.(\w+)/g, (_, field: string) => WITHOUT_JQ(field));
    let expected = output;
    const named = /Last-Event-ID: ([0-9a-f]{12})-/.exec(command)?.[1];
    if (named !== undefined) {
      // The document shows a different run, whose events have other ids.
      const events = await run(command.replace(/ -H 'Last-Event-ID: [^']*'/, ""));
      const own = /^id: ([0-9a-f]{12})-0$/m.exec(events)?.[1] ?? expect.fail(events);
      line = line.replaceAll(named, own);
      expected = expected?.replaceAll(named, own);
    }
    const printed = await run(line);
    expect(printed).not.toBe("");
    if (expected !== undefined) expect(stable(printed)).toMatch(patternOf(expected));
  });
});

describe("README.md", () => {
  let gateway: Gateway;
  beforeAll(async () => {
    gateway = await startGateway();
  });
  afterAll(() => gateway.stop());

  test("has a snippet for the OpenAI SDK that prints the output shown below it", async () => {
    const blocks = blocksOf("README.md");
    const at = blocks.findIndex((block) => block.startsWith("js\n"));
    expect(blocks[at + 1]).toBe("sh\nnpx node try.mjs\n");
    const code = (blocks[at] ?? "").slice(3).replace("http://localhost:8787", gateway.url);
    writeFileSync(join(home, "try.mjs"), code.replace("sk_local_development", SERVER_KEY));
    const env = { ...process.env, NODE_OPTIONS: "" };
    const { stdout } = await promisify(execFile)(process.execPath, ["try.mjs"], { cwd: home, env });
    expect(stdout.trim()).toBe(blocks[at + 2]?.trim());
  });

  test("offers a line of Node instead of jq", () => {
    expect(readText("README.md")).toContain(WITHOUT_JQ("text"));
  });

  test.each(["text", "id"])("has a line of Node that reads .%s, as jq does", async (field) => {
    const answer = await (await fetch(`${gateway.url}/ask`, { method: "POST", body: "hi" })).text();
    const { stdout } = spawnSync("bash", ["-c", WITHOUT_JQ(field)], { input: answer, encoding: "utf8" });
    expect(stdout.trim()).toBe((JSON.parse(answer) as Record<string, string>)[field]);
  });
});
