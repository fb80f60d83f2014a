// The page of /docs in a real browser: it shows every operation, sends one, and asks nobody but the Worker.
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import { miniflareOf, UPSTREAM_KEY } from "../e2e/worker.ts";
import { operationsOf, type OpenApi } from "../support/openapi.ts";
import { BROWSER } from "./browser.ts";

/** Where pictures go; nowhere without it. */
const PICTURES = process.env["SCREENSHOTS"];

// In CI a missing browser is a failure.
describe.skipIf(BROWSER === undefined && process.env["CI"] !== "true")("in Chromium", () => {
  let emulator: Emulator;
  let worker: ReturnType<typeof miniflareOf>;
  let browser: Browser;
  let url: URL;
  beforeAll(async () => {
    emulator = await startEmulator({ key: UPSTREAM_KEY });
    const settings = { ENVIRONMENT: "local", UNIAPI_BASE_URL: emulator.url, UNIAPI_KEY: UPSTREAM_KEY, SERVER_KEYS: "", ID_KEYS: "" };
    worker = miniflareOf(settings, () => undefined);
    url = await worker.ready;
    browser = await chromium.launch({ ...(BROWSER === undefined ? {} : { executablePath: BROWSER }), args: ["--no-sandbox"] });
  });
  afterAll(async () => {
    await browser.close();
    await worker.dispose();
    await emulator.close();
  });

  test.each(["light", "dark"] as const)(
    "it shows every operation in %s, without an error and without another origin",
    async (colorScheme) => {
      const { page, told } = await opened(await browser.newContext({ colorScheme, viewport: { width: 1_280, height: 1_600 } }));
      const openapi = (await (await fetch(new URL("/openapi.json", url))).json()) as OpenApi;
      for (const { path, method } of operationsOf(openapi)) {
        const block = page.locator(`.opblock-${method}`, { has: page.locator(`[data-path="${path}"]`) });
        expect(await block.count(), `${method} ${path}`).toBe(1);
      }
      const [red = 0] = await page.evaluate(() =>
        (getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g) ?? []).map(Number),
      );
      expect(await page.evaluate(() => matchMedia("(prefers-color-scheme: dark)").matches)).toBe(colorScheme === "dark");
      expect(red < 128).toBe(colorScheme === "dark");
      await picture(page, `docs-${colorScheme}`);
      expect(told).toEqual([]);
    },
  );

  test("a request can be tried, and its example is what is sent", async () => {
    const { page, told } = await opened(await browser.newContext({ viewport: { width: 1_280, height: 2_400 } }));
    const ask = page.locator("#operations-Ask-ask");
    await ask.locator(".opblock-summary").click();
    await ask.getByRole("button", { name: "Try it out" }).click();
    await ask.getByRole("button", { name: "Execute" }).click();
    const answer = ask.locator(".live-responses-table .highlight-code").first();
    await answer.waitFor();
    expect(await answer.innerText()).toContain('"text": "You said: \\"What is the capital of France?\\"."');
    await picture(page, "docs-ask");
    expect(told).toEqual([]);
  });

  test("it fits a phone, with the table of codes open, too", async () => {
    const { page } = await opened(await browser.newContext({ viewport: { width: 390, height: 844 }, isMobile: true }));
    await picture(page, "docs-phone");
    await page.locator("summary").click();
    await page.locator("td", { hasText: "unknown_parameter" }).waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
  });

  /** The page once it is drawn, and all that it complains of or asks elsewhere. */
  async function opened(context: BrowserContext): Promise<{ page: Page; told: string[] }> {
    const told: string[] = [];
    const page = await context.newPage();
    page.on("console", (message) => message.type() === "error" && told.push(message.text()));
    page.on("pageerror", (error) => told.push(String(error)));
    page.on("request", (request) => {
      const asked = new URL(request.url());
      if (asked.protocol !== "data:" && asked.origin !== url.origin) told.push(request.url());
    });
    await page.goto(new URL("/docs", url).href);
    await page.locator(".opblock").first().waitFor();
    return { page, told };
  }

  async function picture(page: Page, name: string): Promise<void> {
    if (PICTURES !== undefined) await page.screenshot({ path: `${PICTURES}/${name}.png` });
  }
});
