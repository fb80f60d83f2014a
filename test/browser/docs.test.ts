// The page of /docs in a real browser: it shows every operation, sends one, and asks nobody but the Worker. One page for all tests, since
// the viewer takes a while to draw.
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Emulator, startEmulator } from "../emulator/emulator.ts";
import { miniflareOf, UPSTREAM_KEY } from "../e2e/worker.ts";
import { operationsOf, type OpenApi } from "../support/openapi.ts";
import { BROWSER, launchBrowser } from "./browser.ts";

/** Where pictures go; nowhere without it. */
const PICTURES = process.env["SCREENSHOTS"];
const DESK = { width: 1_280, height: 1_600 };
const PHONE = { width: 390, height: 844 };

// In CI a missing browser is a failure.
describe.skipIf(BROWSER === undefined && process.env["CI"] !== "true")("in Chromium", () => {
  let emulator: Emulator;
  let worker: ReturnType<typeof miniflareOf>;
  let browser: Browser;
  let page: Page;
  let url: URL;
  /** What the page complains of, and what it asks elsewhere. */
  const told: string[] = [];
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
    page.on("console", (message) => message.type() === "error" && told.push(message.text()));
    page.on("pageerror", (error) => told.push(String(error)));
    page.on("request", (request) => {
      const asked = new URL(request.url());
      if (asked.protocol !== "data:" && asked.origin !== url.origin) told.push(request.url());
    });
    await page.goto(new URL("/docs", url).href);
    await page.locator(".opblock").first().waitFor();
  });
  afterEach(() => {
    expect(told, "errors, and requests to other origins").toEqual([]);
  });
  afterAll(async () => {
    await browser.close();
    await worker.dispose();
    await emulator.close();
  });

  test("it shows every operation", async () => {
    const openapi = (await (await fetch(new URL("/openapi.json", url))).json()) as OpenApi;
    for (const { path, method } of operationsOf(openapi)) {
      const block = page.locator(`.opblock-${method}`, { has: page.locator(`[data-path="${path}"]`) });
      expect(await block.count(), `${method} ${path}`).toBe(1);
    }
  });

  test("it follows its reader from light to dark", async () => {
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      // The sheet fades from one to the other.
      await page.waitForFunction((dark) => {
        const [red = 0] = (getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g) ?? []).map(Number);
        return dark ? red < 64 : red > 224;
      }, colorScheme === "dark");
      if (PICTURES !== undefined) await page.waitForTimeout(500);
      await picture(`docs-${colorScheme}`);
    }
    await page.emulateMedia({ colorScheme: "light" });
  });

  test("it fits a phone, with the table of codes open, too", async () => {
    await page.setViewportSize(PHONE);
    await picture("docs-phone");
    await page.locator("summary").click();
    await page.locator("td", { hasText: "unknown_parameter" }).waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(PHONE.width);
    await page.locator("summary").click();
    await page.setViewportSize(DESK);
  });

  test("a request can be tried, and the first example is what is sent", async () => {
    const ask = page.locator("#operations-Ask-ask");
    await ask.locator(".opblock-summary").click();
    await ask.getByRole("button", { name: "Try it out" }).click();
    await ask.getByRole("button", { name: "Execute" }).click();
    const answer = ask.locator(".live-responses-table .highlight-code").first();
    await answer.waitFor();
    expect(await answer.innerText()).toContain('"text": "You said: \\"What is the capital of France?\\"."');
    const sent = emulator.received.find(({ method }) => method === "POST");
    expect(sent?.body).toMatchObject({ input: "What is the capital of France?" });
    await picture("docs-ask");
  });

  async function picture(name: string): Promise<void> {
    if (PICTURES !== undefined) await page.screenshot({ path: `${PICTURES}/${name}.png` });
  }
});
