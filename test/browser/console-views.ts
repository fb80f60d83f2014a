// The console in Chromium: sign-in, usage and jobs, its width on a phone, the keyboard, and accessibility by axe.
import { expect, test } from "vitest";
import { until } from "../e2e/worker.ts";
import { SERVER_KEY, type Scene } from "./browser.ts";
import { thirtyDays } from "./thirty-days.ts";
import {
  type Console,
  expectAccessible,
  expectNoHorizontalScroll,
  openConsole,
  takeScreenshot,
  WORKER,
} from "./console-page.ts";

export function consoleViews(scene: () => Scene): void {
  test.concurrent("a wrong key is refused with the reason; a right one signs in and stays in memory only, and signing out leaves nothing", async () => {
    const console = await openConsole(scene(), {}, 401);
    const { page, button } = console;
    await button("Use a key").click();
    await page.getByLabel("Key or token").fill("sk_wrong_0123456789");
    await button("Sign in").click();
    expect(await page.getByRole("alert").innerText()).toMatch(/invalid_api_key · request req_/);
    await page.getByLabel("Key or token").fill(SERVER_KEY);
    await button("Sign in").click();
    await console.ask("Who am I?");
    await button("Code").click();
    expect(await page.locator("pre").first().innerText()).toContain('"Authorization: Bearer $UNIAPI_EDGE_KEY"');
    const everywhere = await page.evaluate(
      () =>
        document.documentElement.outerHTML +
        JSON.stringify([{ ...sessionStorage }, { ...localStorage }, location.href]),
    );
    expect(everywhere).not.toContain(SERVER_KEY);

    // In the middle of an answer: its end must not bring the ids back.
    await console.more({ model: "emulate/slow/40" });
    await console.composer.fill(`And ${"who ".repeat(30)}are you?`);
    await console.composer.press("Enter");
    await page.locator(".answer-text", { hasText: "who who" }).waitFor();
    await button("Sign out").click();
    await page.getByText("Local, no key needed").waitFor();
    expect(await page.locator(".question").count()).toBe(0);
    await console.idle();
    expect(await page.evaluate(() => ({ ...sessionStorage }))).toEqual({});
    expect(console.problems).toEqual([]);
  });

  test.concurrent("signing out under npm start leaves nothing in any view, and jobs started afterwards are stored", async () => {
    const console = await openConsole(scene());
    const { page, button, composer } = console;
    const signIn = async (): Promise<void> => {
      await button("Use a key").click();
      await page.getByLabel("Key or token").fill(SERVER_KEY);
      await button("Sign in").click();
    };
    await signIn();
    await console.more({ instructions: "Be discreet." });
    await composer.fill("Half a ques");
    await button("Sign out").click();
    await page.getByText("Local, no key needed").waitFor();
    expect(await composer.inputValue()).toBe("");
    expect(await page.content()).not.toContain("discreet");
    expect(await page.getByLabel("Fields of POST /ask, as JSON").inputValue()).toBe("");

    await signIn();
    await page.getByRole("link", { name: "Jobs" }).click();
    await page.getByLabel("Input").fill("Of whoever signs out.");
    await button("Start").click();
    await page.locator(".job").waitFor();
    await page.getByLabel("Input").fill("Half a jo");
    await button("Sign out").click();
    await page.getByText("Local, no key needed").waitFor();
    expect(await page.locator(".job").count()).toBe(0);
    expect(await page.getByLabel("Input").inputValue()).toBe("");
    await page.getByLabel("Input").fill("Keep this.");
    await button("Start").click();
    await page.locator(".job", { hasText: "Keep this." }).waitFor();
    await page.reload();
    await page.locator(".job", { hasText: "Keep this." }).waitFor();
    expect(console.problems).toEqual([]);
  });

  test.concurrent("the text and settings of a question survive a switch to another view", async () => {
    const console = await openConsole(scene());
    const { page, composer, pick, button } = console;
    await pick("Tools", "web search");
    await console.more({ temperature: 0 });
    await composer.fill("Half a ques");
    await page.getByRole("link", { name: "Usage" }).click();
    await button("Refresh").waitFor();
    await page.getByRole("link", { name: "Chat" }).click();
    expect(await composer.inputValue()).toBe("Half a ques");
    expect(await page.getByLabel("Tools", { exact: true }).inputValue()).toBe("web search");
    expect(await page.getByLabel("Fields of POST /ask, as JSON").inputValue()).toBe('{"temperature":0}');
    expect(console.problems).toEqual([]);
  });

  test.concurrent("after a reload has lost a turn's settings, its function output can't be sent while the current settings are invalid", async () => {
    const console = await openConsole(scene());
    const { page, button, pick } = console;
    await pick("Tools", "function: get_weather");
    await console.ask("How is the weather after a reload?");
    await page.reload();
    await button("Send output").waitFor();
    expect(await button("Send output").isEnabled()).toBe(true);
    await button("Retry with current settings").waitFor();
    await page.getByText("More fields").click();
    await page.getByLabel("Fields of POST /ask, as JSON").fill("{");
    expect(await button("Send output").isEnabled()).toBe(false);
    expect(console.problems).toEqual([]);
  });

  test.concurrent("with a session token, the console shows its presets and what is left of its limits, and no jobs", async () => {
    const console = await openConsole(scene());
    const { page, button } = console;
    await button("Use a key").click();
    await page.getByLabel("Key or token").fill(await sessionToken(console));
    await button("Sign in").click();
    await console.ask("Who are you?");
    expect(await page.getByLabel("Preset").locator("option").allInnerTexts()).toEqual(["The only one granted", "chat"]);
    expect(await page.getByLabel("Model").count()).toBe(0);
    await page.getByRole("link", { name: "Usage" }).click();
    const [, left = ""] = /([\d,]+) of 50,000 left/.exec(await page.getByLabel("Remaining limits").innerText()) ?? [];
    expect(Number(left.replace(",", ""))).toBeGreaterThan(40_000);
    expect(Number(left.replace(",", ""))).toBeLessThan(50_000);
    await page.getByRole("link", { name: "Jobs" }).click();
    await page.getByText("Jobs are for server keys.").waitFor();
    expect(console.problems).toEqual([]);
  });

  test.concurrent("usage charts show today's questions in the last column", async () => {
    const console = await openConsole(scene());
    const { page } = console;
    await console.ask("Count this.");
    await page.getByRole("link", { name: "Usage" }).click();
    for (const title of ["Requests", "Tokens", "Cost"]) {
      const chart = page.getByRole("region", { name: title, exact: true });
      const today = chart.locator("tbody tr").last();
      await until(async () => {
        await console.button("Refresh").click();
        expect(await today.locator(".data").textContent()).not.toMatch(/^\$?0$/);
      });
      expect(await chart.locator("tbody tr").count()).toBe(30);
      const { height } = (await today.locator("td").boundingBox()) ?? { height: 0 };
      expect(height, title).toBeGreaterThan(100);
    }
    expect(console.problems).toEqual([]);
  });

  test.concurrent("a job that this page started is shown with its answer and delivery, and can be delivered again", async () => {
    const console = await openConsole(scene(), {}, 404);
    const { page, button } = console;
    await page.getByRole("link", { name: "Jobs" }).click();
    await page.getByLabel("Input").fill("Do this when you can.");
    await page.getByLabel("Callback").fill("crm");
    await button("Start").click();
    const job = page.locator(".job");
    await job.getByText("delivered").waitFor();
    expect(await job.innerText()).toContain('You said: "Do this when you can."');
    const before = scene().callbacks.length;
    await button("Redeliver").click();
    await job.locator("tbody tr").nth(1).waitFor();
    expect(scene().callbacks.length).toBe(before + 1);
    expect(scene().callbacks.at(-1)).toContain("Do this when you can.");
    await takeScreenshot(console, "jobs");
    await page.reload();
    await job.getByText("delivered").waitFor();

    await page.getByLabel("Id").fill(`job_${"0".repeat(32)}`);
    await button("Show").click();
    expect(await page.getByRole("alert").innerText()).toContain("not_found");
    expect(console.problems).toEqual([]);
  });

  test.concurrent("the keyboard alone can skip to the content, send, stop, edit, retry, switch branches, and change view and theme", async () => {
    const console = await openConsole(scene());
    const { page } = console;
    const press = async (...keys: string[]): Promise<void> => {
      for (const key of keys) await page.keyboard.press(key);
    };
    const focusedName = (): Promise<string> =>
      page.evaluate(() => {
        const { activeElement: at } = document;
        return at === null || at === document.body ? "" : (at.getAttribute("aria-label") ?? at.textContent ?? "");
      });
    const tabTo = async (name: string, key = "Tab"): Promise<void> => {
      for (let tries = 0; tries < 40 && !(await focusedName()).startsWith(name); tries += 1) await press(key);
      expect(await focusedName()).toMatch(new RegExp(`^${name}`));
    };
    await console.composer.waitFor();
    await page.keyboard.insertText(`Tell me ${"more and ".repeat(60)}more.`);
    await press("Enter");
    await page.locator(".answer-text", { hasText: "more and" }).waitFor();
    await press("Escape");
    await page.getByText("Stopped here.").waitFor();
    // A button that disappears moves the focus: to the editor, back to the button, or to the composer, where Escape stops.
    const inField = (): Promise<boolean> => page.evaluate(() => document.activeElement?.id === "question");
    await tabTo("Edit", "Shift+Tab");
    await press("Enter");
    expect(await focusedName()).toBe("Change your question");
    await press("Escape");
    expect(await focusedName()).toBe("Edit");
    await press("Enter", "Control+A");
    await page.keyboard.type("Short, please.");
    await press("Enter");
    expect(await inField()).toBe(true);
    await page.locator(".answer-text", { hasText: '"Short, please."' }).waitFor();
    await tabTo("Retry", "Shift+Tab");
    await press("Enter");
    expect(await inField()).toBe(true);
    await page.locator(".walk", { hasText: "3" }).first().waitFor();
    await console.idle();
    await tabTo("Previous branch", "Shift+Tab");
    await press("Enter", "Enter", "Enter");
    expect(await focusedName()).toBe("Previous branch");
    expect(await page.locator(".walk").innerText()).toMatch(/^1\D+3$/);
    await tabTo("Continue");
    await press("Enter");
    expect(await inField()).toBe(true);
    await console.idle();
    await tabTo("Skip to content", "Shift+Tab");
    await press("Enter");
    expect(await page.evaluate(() => document.activeElement?.localName)).toBe("main");
    await tabTo("Theme: system", "Shift+Tab");
    await press("Enter", "Enter");
    expect(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme)).toBe("dark");
    await tabTo("Jobs", "Shift+Tab");
    await press("Enter");
    await page.getByRole("heading", { name: "Jobs" }).waitFor();
    expect(console.problems).toEqual([]);
  });

  test.concurrent.each(["light", "dark"] as const)(
    "in the %s theme, axe finds no violation in any view, and no view is wider than a phone's screen",
    async (colorScheme) => {
      const console = await openConsole(scene(), { colorScheme });
      const { page, ask, pick, button } = console;
      const question = "What does a Worker do at the edge?";
      await page.evaluate(
        async (input) => await (await fetch("/ask", { method: "POST", body: input })).text(),
        question,
      );
      await ask(question);
      await pick("Tools", "web search");
      await ask("Where can I read more about it?");
      await pick("Tools", "");
      await button("Edit").last().click();
      await page.getByLabel("Change your question").fill("Say it in one sentence, for my colleague.");
      await page.getByLabel("Change your question").press("Enter");
      await console.idle();
      await button("Previous branch").click();
      await takeScreenshot(console, `chat-${colorScheme}`);
      await button("Code").last().click();
      await button("Edit").first().click();
      await expectAccessible(console, "chat, with code and a question that is being changed");
      await page.route(`${WORKER}/usage`, (route) => route.fulfill({ json: thirtyDays() }));
      await page.getByRole("link", { name: "Usage" }).click();
      await page.locator(".charts-css").first().waitFor();
      await expectAccessible(console, "usage");
      await page.setViewportSize({ width: 1_180, height: 800 });
      await takeScreenshot(console, `usage-${colorScheme}`);
      await page.getByRole("link", { name: "Jobs" }).click();
      await expectAccessible(console, "jobs");
      await phone(console, colorScheme);
      await button("Use a key").click();
      await expectAccessible(console, "signing in");
      await expectNoHorizontalScroll(console, "signing in");
      expect(console.problems).toEqual([]);
    },
  );

  async function phone(console: Console, colorScheme: string): Promise<void> {
    const { page } = console;
    for (const width of [320, 390]) {
      await page.setViewportSize({ width, height: 780 });
      for (const view of ["Usage", "Jobs", "Chat"]) {
        await page.getByRole("link", { name: view }).click();
        await expectNoHorizontalScroll(console, `${view} on ${width}`);
      }
    }
    await expectAccessible(console, "chat on a phone");
    await takeScreenshot(console, `phone-${colorScheme}`);
  }
}

async function sessionToken({ page }: Console): Promise<string> {
  return await page.evaluate(async (key) => {
    const body = JSON.stringify({ sub: "ada" });
    const response = await fetch("/sessions", {
      method: "POST",
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      body,
    });
    return ((await response.json()) as { token: string }).token;
  }, SERVER_KEY);
}
