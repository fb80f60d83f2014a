// The console as its tests open it: whatever it complains of and whoever else it asks is told, and must be nothing.
import axe from "axe-core";
import type { BrowserContextOptions, Locator, Page } from "playwright-core";
import { expect } from "vitest";
import type { Scene } from "./browser.ts";

export const WORKER = "http://localhost:8787";
/** Where pictures go (`SCREENSHOTS=docs/images`); nowhere without it. */
const PICTURES = process.env["SCREENSHOTS"];
const MAX_PICTURE_BYTES = 150 * 1024;

export interface Console {
  page: Page;
  /** Errors of the page, and requests to another origin. */
  told: string[];
  composer: Locator;
  /** Asks, and waits until the answer is there. */
  ask: (text: string) => Promise<void>;
  /** The answer of a turn; -1 is the last. */
  answer: (at: number) => Locator;
  button: (name: string | RegExp) => Locator;
  pick: (label: string, option: string) => Promise<void>;
  /** Whatever else is to be sent. */
  more: (fields: object) => Promise<void>;
  /** Until nothing is being written. */
  idle: () => Promise<void>;
}

/** @param expected a status that the page is meant to meet: browsers tell of it as an error */
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
  // Within a test's own time, so that it is said what was waited for.
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const told: string[] = [];
  page.on("console", (message) => {
    const meant = expected !== undefined && message.text().includes(`status of ${expected}`);
    if ((message.type() === "error" || message.type() === "warning") && !meant) told.push(message.text());
  });
  page.on("pageerror", (error) => told.push(String(error)));
  page.on("request", (request) => new URL(request.url()).origin !== WORKER && told.push(request.url()));
  await page.goto(WORKER);
  const composer = page.getByLabel("Your question");
  const idle = async (): Promise<void> => {
    // What a key has begun is drawn in the next frame.
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn))));
    await page.getByTitle("Send").waitFor();
  };
  return {
    page,
    told,
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

/** Shown, and free of what axe finds: WCAG 2.2 AA and its best practices. */
export async function expectAccessible({ page }: Console, what: string): Promise<void> {
  // By the protocol, not by a script element: the page's policy forbids those.
  if (!(await page.evaluate(() => "axe" in window))) await page.evaluate(axe.source);
  const { violations } = await page.evaluate(async () => await (window as unknown as { axe: typeof axe }).axe.run());
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" | ")}`);
  expect(found, what).toEqual([]);
}

export async function expectNoSidewaysScroll({ page }: Console, what: string): Promise<void> {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  expect(content, what).toBeLessThanOrEqual(window ?? 0);
}

export async function picture({ page }: Console, name: string): Promise<void> {
  const png = await page.screenshot(PICTURES === undefined ? {} : { path: `${PICTURES}/console-${name}.png` });
  expect(png.length, name).toBeLessThan(MAX_PICTURE_BYTES);
}
