// The page of /docs in a real browser: it shows every operation, sends one, and connects to the Worker only. All tests share one page,
// because the viewer takes a while to load.
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import { miniflareOf, UPSTREAM_KEY } from "../e2e/worker.ts";
import { operationsOf, type OpenApi } from "../support/openapi.ts";
import { BROWSER, launchBrowser } from "./browser.ts";

/** The folder for screenshots; without it none are written. */
const SCREENSHOTS_FOLDER = process.env["SCREENSHOTS"];
const DESK = { width: 1_280, height: 1_600 };
const PHONE = { width: 390, height: 844 };

// In CI a missing browser is a failure.
describe.skipIf(BROWSER === undefined && process.env["CI"] !== "true")("in Chromium", () => {
  let emulator: Emulator;
  let worker: ReturnType<typeof miniflareOf>;
  let browser: Browser;
  let page: Page;
  let url: URL;
  /** Errors of the page, and requests to other origins. */
  const problems: string[] = [];
  beforeAll(async () => {
    emulator = await startEmulator({ key: UPSTREAM_KEY });
    const settings = {
      ENVIRONMENT: "local",
      UNIAPI_BASE_URL: emulator.url,
      UNIAPI_KEY: UPSTREAM_KEY,
      SERVER_KEYS: "",
      ID_KEYS: "",
    };
    worker = miniflareOf(settings, () => undefined);
    url = await worker.ready;
    browser = await launchBrowser();
    page = await browser.newPage({ viewport: DESK });
    page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
    page.on("pageerror", (error) => problems.push(String(error)));
    page.on("request", (request) => {
      const requested = new URL(request.url());
      if (requested.protocol !== "data:" && requested.origin !== url.origin) problems.push(request.url());
    });
    await page.goto(new URL("/docs", url).href);
    await page.locator(".opblock").first().waitFor();
  });
  afterEach(() => {
    expect(problems, "errors, and requests to other origins").toEqual([]);
  });
  afterAll(async () => {
    await browser.close();
    await worker.dispose();
    await emulator.close();
  });

  test("the docs page shows every operation", async () => {
    const openapi = (await (await fetch(new URL("/openapi.json", url))).json()) as OpenApi;
    for (const { path, method } of operationsOf(openapi)) {
      const block = page.locator(`.opblock-${method}`, { has: page.locator(`[data-path="${path}"]`) });
      expect(await block.count(), `${method} ${path}`).toBe(1);
    }
  });

  test("the docs page follows the system's light or dark theme", async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      // The stylesheet fades between the themes.
      await page.waitForFunction((dark) => {
        const [red = 0] = (getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g) ?? []).map(Number);
        return dark ? red < 64 : red > 224;
      }, colorScheme === "dark");
      if (SCREENSHOTS_FOLDER !== undefined) await page.waitForTimeout(500);
      await takeScreenshot(`docs-${colorScheme}`);
    }
    await page.emulateMedia({ colorScheme: "light" });
  });

  test("the docs page fits a phone, even with the table of codes open", async () => {
    await page.setViewportSize(PHONE);
    await takeScreenshot("docs-phone");
    await page.locator("summary").click();
    await page.locator("td", { hasText: "unknown_parameter" }).waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(PHONE.width);
    await page.locator("summary").click();
    await page.setViewportSize(DESK);
  });

  test("trying an operation out sends its first example", async () => {
    const ask = page.locator("#operations-Ask-ask");
    await ask.locator(".opblock-summary").click();
    await ask.getByRole("button", { name: "Try it out" }).click();
    await ask.getByRole("button", { name: "Execute" }).click();
    const answer = ask.locator(".live-responses-table .highlight-code").first();
    await answer.waitFor();
    expect(await answer.innerText()).toContain('"text": "You said: \\"What is the capital of France?\\"."');
    const sent = emulator.received.find(({ method }) => method === "POST");
    expect(sent?.body).toMatchObject({ input: "What is the capital of France?" });
    await takeScreenshot("docs-ask");
  });

  async function takeScreenshot(name: string): Promise<void> {
    if (SCREENSHOTS_FOLDER !== undefined) await page.screenshot({ path: `${SCREENSHOTS_FOLDER}/${name}.png` });
  }
});
