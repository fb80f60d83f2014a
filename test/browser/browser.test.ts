// The code of docs/browser.md, unchanged, in a real browser against the production bundle; pages of other origins, which
// can't use a credential; and the console.
import { build } from "esbuild";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { snippetIn } from "../support/doc-snippet.ts";
import { BROWSER, type Scene, startScene } from "./browser.ts";
import { consoleChat } from "./console-chat.ts";
import { consoleReload } from "./console-reload.ts";
import { consoleViews } from "./console-views.ts";

// console.log would be shown for failing tests only.
if (BROWSER === undefined)
  process.stderr.write("SKIPPED: the browser tests need Chromium (apt-get install chromium, or set CHROMIUM_PATH).\n");

const PAGE = "http://localhost:3000";
const WORKER = "http://localhost:8787";

// In CI a missing browser is a failure.
describe.skipIf(BROWSER === undefined && process.env["CI"] !== "true")("in Chromium", { timeout: 60_000 }, () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await startScene();
  });
  afterAll(async () => {
    await scene.stop();
  });

  const callCount = (): number => scene.emulator.received.length;
  const open = async (url: string): Promise<Page> => {
    const page = await (await scene.browser.newContext()).newPage();
    await page.goto(url);
    return page;
  };

  test("the 30-line page streams an answer, continues the conversation, survives a reload and a refused token, and shows errors", async () => {
    expect(snippetIn("A chat page in 30 lines", "html").trimEnd().split("\n")).toHaveLength(30);
    const page = await open(PAGE);
    const say = async (text: string): Promise<void> => {
      await page.fill("input", text);
      await page.click("button");
    };
    const line = (at: number): Promise<string> => page.locator("li").nth(at).innerText();

    const lengths = await page.evaluateHandle(() => {
      const lengths = new Set<number>();
      const record = (): unknown => lengths.add(document.querySelectorAll("li")[1]?.textContent?.length ?? 0);
      new MutationObserver(record).observe(document, { childList: true, subtree: true });
      return lengths;
    });
    await say("My name is Ada.");
    await page.waitForFunction(() => sessionStorage["last"] !== undefined);
    expect(await lengths.evaluate((seen) => seen.size), "it grows word by word").toBeGreaterThan(3);
    const first = await page.evaluate(() => String(sessionStorage["last"]));
    await say("What is my name?");
    await page.waitForFunction((before) => sessionStorage["last"] !== before, first);
    expect(await line(3)).toContain('Before that you said: "My name is Ada."');

    await page.reload();
    await page.waitForFunction(() => document.querySelectorAll("li").length === 4);
    expect(await line(0)).toBe("My name is Ada.");
    expect(await line(3)).toContain("My name is Ada.");

    // The first token is refused, so the page fetches another.
    let isSpoiled = true;
    await page.route("**/token", async (route) => {
      if (!isSpoiled) return await route.continue();
      isSpoiled = false;
      return await route.fulfill({ body: "no.token.any-more" });
    });
    await page.reload();
    await page.waitForFunction(() => document.querySelectorAll("li").length === 4);
    expect(isSpoiled).toBe(false);

    await page.evaluate(() => (sessionStorage["last"] = "resp_ue1_forged"));
    await page.reload();
    await say("And now?");
    await page.waitForFunction(() => (document.querySelectorAll("li")[1]?.textContent ?? "").includes("]"));
    expect(await line(1)).toContain("previous_response_id");
    await say("And again?");
    await page.waitForFunction(() => sessionStorage["last"] !== undefined);
    expect(await line(3), "the page begins a new conversation").toMatch(/^You said: "And again\?"/);
    await page.screenshot({ path: process.env["SCREENSHOT"] ?? "/dev/null", type: "png" });
  });

  test("the 30-line page sends nothing until the earlier turns are shown, so that no question is asked or shown twice", async () => {
    const page = await open(PAGE);
    const lines = (): Promise<string[]> => page.locator("li").allInnerTexts();
    await page.fill("input", "first");
    await page.click("button");
    await page.waitForFunction(() => sessionStorage["last"] !== undefined);
    const shown = await lines();

    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    await page.route("**/ask/*", async (route) => {
      await released;
      await route.continue();
    });
    const before = callCount();
    await page.reload();
    await page.fill("input", "second");
    await page.press("input", "Enter");
    expect([await page.isDisabled("button"), await lines(), callCount() - before]).toEqual([true, [], 0]);
    release();
    await page.click("button");
    await page.waitForFunction(() => (document.querySelectorAll("li")[3]?.textContent ?? "").endsWith(")"));
    expect([(await lines()).slice(0, 3), (await lines()).length, callCount() - before]).toEqual([
      [...shown, "second"],
      4,
      1,
    ]);
  });

  test("a page that is reloaded twice in the middle of a stream resumes it, and upstream is called once", async () => {
    const page = await open(PAGE);
    const line = (at: number): Promise<string> => page.locator("li").nth(at).innerText();
    const untilLonger = (length: number): Promise<unknown> =>
      page.waitForFunction(
        (length) => (document.querySelectorAll("li").item(1)?.textContent?.length ?? 0) > length,
        length,
      );
    const before = callCount();
    const words = Array.from({ length: 60 }, (_, n) => `word${n}`).join(" ");
    await page.fill("input", words);
    await page.click("button");
    for (const length of [20, 150]) {
      await untilLonger(length);
      expect(await line(1), "it is in the middle").not.toContain("word59");
      await page.reload();
    }
    await untilLonger(150);
    await page.waitForFunction(() => sessionStorage["last"] !== undefined && sessionStorage["open"] === undefined);
    expect([await line(0), await line(1)]).toEqual([words, `You said: "${words}". (instructions: 34 characters)`]);
    expect(callCount() - before).toBe(1);

    await page.fill("input", "And then?");
    await page.click("button");
    await page.waitForFunction(() => (document.querySelectorAll("li")[3]?.textContent ?? "").endsWith(")"));
    expect(await line(3), "the conversation continues from it").toContain("Turn 2.");
  });

  test("a page of any origin may import the client, and only pages of allowed origins get answers", async () => {
    const home = await open(PAGE);
    const token = await home.evaluate(async () => await (await fetch("/token")).text());
    // A string, because vitest would rewrite the import.
    const script = `import("${WORKER}/client.js").then(({ createClient }) => createClient({ url: "${WORKER}", token: "${token}" }).ask("hi"))
      .then(({ text }) => text, ({ name, code, status }) => [name, code, status].join(" "))`;
    const use = async (page: Page): Promise<string> => await page.evaluate<string>(script);
    expect(await use(home)).toContain('You said: "hi".');
    expect(await use(await open("http://localhost:3001/"))).toBe("AskError connection_lost 0");
  });

  test("a page of an allowed origin streams with a session token, and reads errors and headers", async () => {
    const page = await open(PAGE);
    const seen = await page.evaluate(async (worker) => {
      const token = await (await fetch("/token")).text();
      const send = (body: object, key = token): Promise<Response> =>
        fetch(`${worker}/ask`, {
          method: "POST",
          headers: { authorization: `Bearer ${key}`, "x-stainless-lang": "js" },
          body: JSON.stringify(body),
        });
      const streamed = await send({ input: "one two three four five", stream: true });
      const reader = (streamed.body as ReadableStream<Uint8Array>).getReader();
      let chunks = 0;
      let text = "";
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        chunks += 1;
        text += new TextDecoder().decode(part.value);
      }
      const refused = await send({ input: "x", model: "gpt-6-sol" });
      const wrong = await send({ input: "x" }, "sk_Vq7hTz2mWc9LxR4b");
      const pk = await send({ input: "x" }, "pk_0123456789abcdefghij");
      const codeOf = async (response: Response): Promise<string> =>
        ((await response.json()) as { error: { code: string } }).error.code;
      return {
        chunks,
        end: text.includes("event: done"),
        codes: [refused.status, await codeOf(refused), wrong.status, await codeOf(wrong), pk.status],
        headers: ["x-request-id", "cache-status"].map((name) => streamed.headers.get(name) !== null),
      };
    }, WORKER);
    expect(seen.chunks).toBeGreaterThan(2);
    expect(seen).toMatchObject({
      end: true,
      codes: [400, "unknown_parameter", 401, "invalid_credentials", 200],
      headers: [true, true],
    });
  });

  test.each([
    ["another origin", "http://evil.example/", ""],
    ["another port", "http://localhost:3001/", ""],
    ["the origin null", PAGE, "sandbox"],
  ])("a page from %s can't use a credential; only a local page can ask without one", async (_name, url, sandbox) => {
    const token = await (await open(PAGE)).evaluate(async () => await (await fetch("/token")).text());
    const page = await open(url);
    if (sandbox !== "") {
      await page.setContent('<iframe sandbox="allow-scripts" srcdoc="<p>framed"></iframe>');
      await page.waitForSelector("iframe");
    }
    const frame = sandbox === "" ? page.mainFrame() : (page.frames()[1] ?? page.mainFrame());
    const before = callCount();
    const tries = await frame.evaluate(
      async ([worker, token]) => {
        const send = async (init: RequestInit): Promise<string> =>
          await fetch(`${worker}/ask`, { method: "POST", body: "hi", ...init }).then(
            async (response) => `${response.type} ${response.status}`,
            () => "unreadable",
          );
        return [
          self.origin,
          await send({ headers: { authorization: `Bearer ${token}` } }),
          await send({ headers: { authorization: "Bearer pk_0123456789abcdefghij" } }),
          // A request without a preflight reaches the Worker, which refuses it.
          await send({}),
          await send({ mode: "no-cors" }),
        ];
      },
      [WORKER, token] as const,
    );
    const local = url.includes("localhost:3001");
    expect(tries[0]).toBe(sandbox === "" ? new URL(url).origin : "null");
    expect(tries.slice(1, 3)).toEqual(["unreadable", "unreadable"]);
    // Under ENVIRONMENT=local a page of this machine needs no credential.
    expect(tries.slice(3)).toEqual(local ? ["cors 200", "opaque 0"] : ["unreadable", "opaque 0"]);
    // The second request without a credential is answered from the cache.
    expect(callCount() - before).toBe(local ? 1 : 0);
  });

  test.each([
    [
      "the React hook",
      "React hook",
      `const { messages, send } = useAsk(client);
       const shown = messages.map(({ role, text }) => role + ": " + text);`,
    ],
    [
      "useChat",
      "`useChat` of the AI SDK",
      `const { messages, sendMessage } = useAskChat(worker, getToken);
       const send = (text) => sendMessage({ text });
       const shown = messages.map(({ role, parts }) => role + ": " + parts.map((part) => part.text ?? "").join(""));`,
    ],
  ])("%s holds a conversation", async (_name, heading, use) => {
    const code = `${snippetIn(heading, "jsx")}
      import { createRoot } from "react-dom/client";
      import { createClient } from "uniapi-edge/client";
      const worker = "${WORKER}";
      const getToken = async () => await (await fetch("/token")).text();
      const client = createClient({ url: worker, token: getToken });
      function Chat() {
        ${use}
        globalThis.send = send;
        return <ol>{shown.map((text, at) => <li key={at}>{text}</li>)}</ol>;
      }
      createRoot(document.getElementById("root")).render(<Chat />);`;
    const { outputFiles } = await build({
      stdin: { contents: code, loader: "jsx", resolveDir: `${import.meta.dirname}/../clients` },
      alias: { "uniapi-edge/client": `${import.meta.dirname}/../../client/index.js` },
      bundle: true,
      write: false,
      format: "esm",
      jsx: "automatic",
      define: { "process.env.NODE_ENV": '"production"' },
    });
    // A page from a server. A page from `route` has no address, so it may not connect to this machine.
    const page = await open(PAGE);
    await page.setContent('<div id="root"></div>');
    await page.addScriptTag({ type: "module", content: outputFiles[0]?.text ?? "" });
    const say = async (text: string, lines: number, end: string): Promise<string> => {
      await page.waitForFunction(() => "send" in globalThis);
      await page.evaluate(
        (text) => (globalThis as unknown as { send: (text: string) => unknown }).send(text) && undefined,
        text,
      );
      await page.waitForFunction(
        ([lines, end]) => (document.querySelectorAll("li")[lines - 1]?.textContent ?? "").includes(end),
        [lines, end] as const,
      );
      return await page
        .locator("li")
        .nth(lines - 1)
        .innerText();
    };
    expect(await say("My name is Ada.", 2, 'You said: "My name is Ada."')).toContain("assistant: ");
    // The id arrives at the end of the text, when the turn may not be in KV yet.
    expect(await say("What is my name?", 4, 'Before that you said: "My name is Ada."')).toContain("assistant: ");
  });

  consoleChat(() => scene);
  consoleReload(() => scene);
  consoleViews(() => scene);
});
