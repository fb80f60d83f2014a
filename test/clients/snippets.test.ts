// Runs every snippet of docs/clients.md unchanged in its own process, with a reasoning model whose backends share nothing.
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Gateway, SERVER_KEY, startGateway } from "./gateway.ts";

const SNIPPETS = [...readFileSync("docs/clients.md", "utf8").matchAll(/^## (.*)\n\n```(ts|sh)\n([\s\S]*?)^```$/gm)].map(
  ([, heading = "", language = "", code = ""]) => ({ heading, language, code }),
);
/** Text that the output of each snippet must contain. */
const EXPECTED_OUTPUT: Record<string, string> = {
  curl: 'You said: "Say hello."',
  "`openai` (7.57.0)": 'You said: "What is my name?". Before that you said: "My name is Ada.".',
  "`ai` (7.0.173) with `@ai-sdk/openai` (4.0.118)": 'Function outputs: "Sunny in',
  "`ai` with `@ai-sdk/open-responses` (2.0.36)": 'You said: "Say hello."',
  "`@openai/agents` (0.20.0)": 'Function outputs: "Sunny in',
  "`@langchain/openai` (1.6.0) with `@langchain/core` (1.4.0)": 'Function outputs: "Sunny in',
};
/** Loaded before a snippet: its model reasons, behind a relay whose backends share nothing. */
const SHARES_NOTHING = `
const { fetch } = globalThis;
globalThis.fetch = (url, init) =>
  fetch(url, { ...init, body: init?.body?.replace('"gpt-6-luna"', '"gpt-6-luna/emulate/shares-nothing"') });`;

let gateway: Gateway;
let dir: string;
beforeAll(async () => {
  gateway = await startGateway();
  dir = mkdtempSync(join(import.meta.dirname, "node_modules", ".snippets-"));
  writeFileSync(join(dir, "shares-nothing.mjs"), SHARES_NOTHING);
});
afterAll(async () => {
  rmSync(dir, { recursive: true, force: true });
  await gateway.stop();
});

test("the headings name the pinned versions", () => {
  const { dependencies } = JSON.parse(readFileSync(join(import.meta.dirname, "package.json"), "utf8")) as {
    dependencies: Record<string, string>;
  };
  const inHeadings = SNIPPETS.flatMap(({ heading }) => [...heading.matchAll(/`([^`]+)` \(([\d.]+)\)/g)]);
  expect(Object.fromEntries(inHeadings.map(([, name = "", version = ""]) => [name, version]))).toEqual({
    ...dependencies,
    zod: undefined,
    // Only docs/browser.md uses these.
    "@ai-sdk/react": undefined,
    react: undefined,
    "react-dom": undefined,
  });
  expect(SNIPPETS.map(({ heading }) => heading)).toEqual(Object.keys(EXPECTED_OUTPUT));
});

test.concurrent.each(SNIPPETS)(
  'the snippet "$heading" of docs/clients.md runs',
  async ({ heading, language, code }) => {
    const file = join(
      dir,
      `snippet-${SNIPPETS.findIndex((each) => each.code === code)}.${language === "ts" ? "mjs" : "sh"}`,
    );
    writeFileSync(file, code);
    const env = { ...process.env, GATEWAY_URL: gateway.url, GATEWAY_KEY: SERVER_KEY, NODE_OPTIONS: "" };
    const [program, args] =
      language === "ts" ? [process.execPath, ["--import", join(dir, "shares-nothing.mjs"), file]] : ["sh", [file]];
    const { stdout } = await promisify(execFile)(program, args, { env });
    expect(stdout.replaceAll(String.raw`\"`, '"')).toContain(EXPECTED_OUTPUT[heading]);
  },
);
