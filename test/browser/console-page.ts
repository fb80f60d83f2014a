// Opens the console for its tests, and records its errors and its requests to other origins. There must be none.
import axe from "axe-core";
import type { BrowserContextOptions, Locator, Page } from "playwright-core";
import { expect } from "vitest";
import type { Scene } from "./browser.ts";

export const WORKER = "http://localhost:8787";
/** The folder for screenshots (`SCREENSHOTS=docs/images`); without it none are written. */
const SCREENSHOTS_FOLDER = process.env["SCREENSHOTS"];
const MAX_SCREENSHOT_BYTES = 150 * 1024;

export interface Console {
  page: Page;
  /** Errors and warnings of the page, and requests to other origins. */
  problems: string[];
  composer: Locator;
  /** Sends a question and waits for the answer. */
  ask: (text: string) => Promise<void>;
  /** The answer of a turn; -1 is the last. */
  answer: (at: number) => Locator;
  button: (name: string | RegExp) => Locator;
  pick: (label: string, option: string) => Promise<void>;
  /** Sets further fields. */
  more: (fields: object) => Promise<void>;
  /** Waits until no answer is arriving. */
  idle: () => Promise<void>;
}

/** @param expected a status that the test provokes: browsers report it as an error */
export async function openConsole(
  scene: Scene,
  options: BrowserContextOptions = {},
  expected?: number,
): Promise<Console> {
  const context = await scene.browser.newContext({
    viewport: { width: 1_180, height: 760 },
    reducedMotion: "reduce",
    ...options,
  });
  // Shorter than a test's own timeout, so that the error names the missing element.
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("console", (message) => {
    const isExpected = expected !== undefined && message.text().includes(`status of ${expected}`);
    if ((message.type() === "error" || message.type() === "warning") && !isExpected) problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("request", (request) => new URL(request.url()).origin !== WORKER && problems.push(request.url()));
  await page.goto(WORKER);
  const composer = page.getByLabel("Your question");
  const idle = async (): Promise<void> => {
    // The effect of a key press is drawn in the next frame.
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn))));
    await page.getByTitle("Send").waitFor();
  };
  return {
    page,
    problems,
    composer,
    async ask(text) {
      await composer.fill(text);
      await composer.press("Enter");
      await idle();
    },
    answer: (at) => page.locator("article.answer").nth(at),
    button: (name) => page.getByRole("button", { name }),
    pick: async (label, option) => void (await page.getByLabel(label, { exact: true }).selectOption(option)),
    async more(fields) {
      const field = page.getByLabel("Fields of POST /ask, as JSON");
      if (!(await field.isVisible())) await page.getByText("More fields").click();
      await field.fill(JSON.stringify(fields));
    },
    idle,
  };
}

export async function signIn(console: Console, key: string): Promise<void> {
  await console.page.getByLabel("Key or token").fill(key);
  await console.button("Sign in").click();
  await console.composer.waitFor();
}

/** Expects no violation of WCAG 2.2 AA and axe's best practices. */
export async function expectAccessible({ page }: Console, view: string): Promise<void> {
  // Injected through the protocol, because the page's policy forbids script elements.
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe.source);
  const { violations } = await page.evaluate(async () => await (window as unknown as { axe: typeof axe }).axe.run());
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
  expect(found, view).toEqual([]);
}

export async function expectNoHorizontalScroll({ page }: Console, view: string): Promise<void> {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  expect(content, view).toBeLessThanOrEqual(window ?? 0);
}

export async function takeScreenshot({ page }: Console, name: string): Promise<void> {
  const png = await page.screenshot(
    SCREENSHOTS_FOLDER === undefined ? {} : { path: `${SCREENSHOTS_FOLDER}/console-${name}.png` },
  );
  expect(png.length, name).toBeLessThan(MAX_SCREENSHOT_BYTES);
}
