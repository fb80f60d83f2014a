// Runs every snippet of docs/client.md unchanged: in Node with the package installed, and in a Worker with a service binding. The snippets
// for pages are in docs/browser.md, which has its own test.
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Gateway, SERVER_KEY, startGateway } from "../clients/gateway.ts";

const TEXT = readFileSync("docs/client.md", "utf8");
const SNIPPETS = [...TEXT.matchAll(/^## (.*)\n(?:(?!^## )[\s\S])*?^```js\n([\s\S]*?)^```$/gm)].map(
  ([, heading = "", code = ""]) => ({
    heading,
    code,
  }),
);
/** The expected output with the emulator's answers. */
const OUTPUTS: Record<string, RegExp> = {
  "Ask and stream": /^You said: "What is the capital of France\?"\. 19\nYou said: "Tell me a story"\.\ncompleted 11\n$/,
  Conversations:
    /^Turn 2\. .*My name is Ada\..*\ntrue\nTurn 2\. You said: "Spell my name\."\. Before that you said: "My name is Ada\."\.\n- My name is Ada\. -> .*\n- Spell my name\. -> Turn 2\..*\n$/,
  Stop: /^AbortError\n$/,
  "Resume after a reload": /^You said: "Tell me a story about Oslo"\.\n$/,
  Errors: /^400 unknown_parameter temprature false\n`temprature` is not a field .* req_[\da-f]+\n$/,
};

let gateway: Gateway;
let home: string;
beforeAll(async () => {
  gateway = await startGateway();
  // A project that uses the package.
  home = mkdtempSync(join(tmpdir(), "uniapi-edge-client-docs-"));
  mkdirSync(join(home, "node_modules"));
  symlinkSync(resolve("."), join(home, "node_modules", "uniapi-edge"));
});
afterAll(async () => {
  rmSync(home, { recursive: true, force: true });
  await gateway.stop();
});

test("every snippet of docs/client.md has a test", () => {
  expect(TEXT.match(/^```\w+$/gm)).toHaveLength(SNIPPETS.length);
  expect(SNIPPETS.map(({ heading }) => heading)).toEqual([...Object.keys(OUTPUTS), "In a Worker"]);
});

test.each(SNIPPETS.filter(({ heading }) => heading in OUTPUTS))(
  'the snippet "$heading" runs in Node',
  async ({ heading, code }) => {
    const file = join(home, `${heading.replaceAll(" ", "-")}.mjs`);
    writeFileSync(file, code);
    const env = { ...process.env, GATEWAY_URL: gateway.url, GATEWAY_KEY: SERVER_KEY, NODE_OPTIONS: "" };
    const { stdout } = await promisify(execFile)(process.execPath, [file], { env });
    expect(stdout).toMatch(OUTPUTS[heading] ?? /^$/);
  },
);

test('the snippet "In a Worker" runs in a Worker', async () => {
  const { code = "" } = SNIPPETS.find(({ heading }) => heading === "In a Worker") ?? {};
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: home },
    bundle: true,
    write: false,
    format: "esm",
  });
  const wrangler = createRequire(createRequire(import.meta.url).resolve("wrangler"));
  const { Miniflare, convertV4MiniflareOptions } = wrangler("miniflare") as {
    Miniflare: new (options: object) => { ready: Promise<URL>; dispose: () => Promise<void> };
    convertV4MiniflareOptions: (options: object) => object;
  };
  const requestedUrls: string[] = [];
  const worker = new Miniflare(
    convertV4MiniflareOptions({
      host: "127.0.0.1",
      port: 0,
      cf: false,
      workers: [
        {
          name: "other",
          compatibilityDate: "2026-10-01",
          modules: [{ type: "ESModule", path: "index.js", contents: outputFiles[0]?.text }],
          bindings: { ASK_URL: gateway.url, ASK_KEY: SERVER_KEY },
          serviceBindings: {
            async ASK(request: Request) {
              requestedUrls.push(request.url);
              const { status, headers, body } = await fetch(request.url, {
                method: request.method,
                headers: [...request.headers],
                body: await request.text(),
              });
              return new (wrangler("miniflare") as { Response: typeof Response }).Response(body, {
                status,
                headers: [...headers],
              });
            },
          },
        },
      ],
    }),
  );
  try {
    const response = await fetch(await worker.ready, { method: "POST", body: "Say hello." });
    expect(await response.text()).toBe('You said: "Say hello.".');
    expect(requestedUrls).toEqual([`${gateway.url}/ask`]);
  } finally {
    await worker.dispose();
  }
});

test("the package's types need no other package, and describe questions, events and errors", () => {
  writeFileSync(
    join(home, "types.ts"),
    `import { type Answer, AskError, createClient } from "uniapi-edge/client";
const client = createClient({ url: new URL("http://localhost:8787"), token: async (refused?: string) => refused ?? "t", preset: "chat" });
const answer: Answer = await client.ask({ input: [{ role: "user", content: "hi" }], cache: "refresh" });
const total: number | undefined = answer.usage?.total_tokens;
for await (const { event, data } of client.conversation().stream("hi")) {
  if (event === "text") data.delta.toUpperCase();
  if (event === "tool_call") JSON.parse(data.arguments);
  if (event === "done") data.citations?.length;
  // @ts-expect-error errors are thrown
  if (event === "error") throw total;
}
// @ts-expect-error not a field
await client.ask({ input: "hi", temprature: 1 });
export const codeOf = (error: unknown): string => (error instanceof AskError ? error.code : "");
`,
  );
  const options =
    "--ignoreConfig --noEmit --strict --exactOptionalPropertyTypes --target es2022 --module nodenext --lib es2022,dom,dom.asynciterable --types";
  writeFileSync(join(home, "package.json"), '{ "type": "module" }');
  const tsc = (): string =>
    execFileSync(resolve("node_modules/.bin/tsc"), [...options.split(" "), "", "types.ts"], {
      cwd: home,
      encoding: "utf8",
    });
  expect(tsc()).toBe("");
});
