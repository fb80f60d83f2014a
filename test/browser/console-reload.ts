// The console's chat in Chromium after a reload or a sign-in by another account: in the middle of an answer, before it, and when the
// conversation can't be read.
import type { Route } from "playwright-core";
import { expect, test } from "vitest";
import { SERVER_KEY, type Scene } from "./browser.ts";
import { expectAccessible, openConsole, signIn, WORKER } from "./console-page.ts";

const LONG = `Say ${"many words and ".repeat(12)}stop.`;
/** Answers `LONG` in about two seconds. */
const SLOW = { model: "emulate/slow/40" };

export function consoleReload(scene: () => Scene): void {
  const callsAbout = (text: string): number => scene().emulator.received.filter(({ raw }) => raw.includes(text)).length;

  test.concurrent("a reload resumes a stopped answer, and upstream is not called again", async () => {
    const console = await openConsole(scene());
    const { page, composer, answer } = console;
    const question = `${LONG} And then stop and reload.`;
    await console.more(SLOW);
    await composer.fill(question);
    await composer.press("Enter");
    await page.locator(".answer-text", { hasText: "many words" }).waitFor();
    await page.getByTitle("Stop").click();
    await page.getByText("Stopped here.").waitFor();
    await page.reload();
    await console.idle();
    await answer(0).locator(".answer-text", { hasText: "stop and reload." }).waitFor();
    expect(callsAbout(question)).toBe(1);
    expect(console.problems).toEqual([]);
  });

  test.concurrent("a reload before the first word loses neither the question nor its answer, and upstream is called once", async () => {
    const console = await openConsole(scene());
    const { page, composer, answer, button } = console;
    const question = "Is this lost?";
    await console.more({ model: "emulate/first-byte/800" });
    await composer.fill(question);
    await composer.press("Enter");
    await page.reload();
    await page.locator(".question-text", { hasText: question }).waitFor();
    await answer(0).locator(".answer-text", { hasText: question }).waitFor();
    await console.idle();
    expect(callsAbout(question)).toBe(1);
    expect(await page.evaluate(() => JSON.stringify({ ...sessionStorage }))).not.toContain(question);
    await button("Code").click();
    expect(await answer(0).locator("pre").first().innerText()).toContain('"model":"emulate/first-byte/800"');
    expect(console.problems).toEqual([]);
  });

  test.concurrent("while a conversation is being read, no question can be sent, and typed text stays; then the question follows the last answer", async () => {
    const console = await openConsole(scene(), {}, 503);
    const { page, composer, answer, button } = console;
    await console.ask("My name is Grace.");
    const reads: Route[] = [];
    await page.route(/thread=true/, (route) => void reads.push(route));
    await page.reload();
    await page.getByText("Reading the conversation…").waitFor();
    await composer.fill("What is my name?");
    await composer.press("Enter");
    expect(await composer.inputValue()).toBe("What is my name?");
    expect(await composer.getAttribute("aria-describedby")).toBe("restoring");
    expect(await page.locator(".composer").getAttribute("aria-busy")).toBe("true");
    expect(await page.getByTitle("Send").isEnabled()).toBe(false);
    await expectAccessible(console, "a conversation that is being read");

    const error = { message: "Not just now.", code: "unavailable", request_id: "req_1" };
    await reads[0]?.fulfill({ status: 503, json: { error } });
    await page.getByRole("alert").getByText("Not just now.").waitFor();
    expect(await page.getByTitle("Send").isEnabled()).toBe(false);
    await page.unroute(/thread=true/);
    await button("Try again").press("Enter");
    expect(await composer.evaluate((field) => field === document.activeElement)).toBe(true);
    await page.locator(".question-text", { hasText: "Grace" }).waitFor();
    await composer.press("Enter");
    await answer(1).locator(".answer-text", { hasText: 'Before that you said: "My name is Grace."' }).waitFor();
    expect(console.problems).toEqual([]);
  });

  test.concurrent("of two stopped answers a reload resumes the last; the other waits in the tree, and is resumed on request", async () => {
    const console = await openConsole(scene());
    const { page, composer, answer, button } = console;
    const questions = [`${LONG} That was the first.`, `${LONG} That was the second.`];
    await console.more(SLOW);
    for (const question of questions) {
      await composer.fill(question);
      await composer.press("Enter");
      await page.locator(".answer-text", { hasText: "many words" }).waitFor();
      await composer.press("Escape");
      await page.getByText("Stopped here.").waitFor();
    }
    await page.reload();
    await answer(0).locator(".answer-text", { hasText: "That was the second." }).waitFor();
    await console.idle();
    const branches = page.getByRole("navigation", { name: "Branches" }).getByRole("button");
    // The question of a run that was resumed by its key alone is read afterwards.
    await branches.filter({ hasText: "That was the second." }).waitFor();
    expect(await branches.allInnerTexts()).toEqual(["Waiting to be continued", questions[1]]);
    await branches.first().click();
    await button(/^Continue$/).click();
    await answer(0).locator(".answer-text", { hasText: "That was the first." }).waitFor();
    await console.idle();
    await branches.filter({ hasText: "That was the first." }).waitFor();
    expect(await branches.allInnerTexts()).toEqual(questions);
    for (const question of questions) expect(callsAbout(question)).toBe(1);
    expect(console.problems).toEqual([]);
  });

  test.concurrent.each([
    ["without a credential", undefined],
    ["after signing in again", SERVER_KEY],
  ])("a reload in the middle of an answer resumes it, %s; no key or text is stored", async (_name, key) => {
    const console = await openConsole(scene());
    const { page, composer, answer } = console;
    const question = `${LONG} ${_name}`;
    if (key !== undefined) {
      await console.button("Use a key").click();
      await signIn(console, key);
    }
    await console.ask(`First of all, ${_name}.`);
    await console.more(SLOW);
    await composer.fill(question);
    await composer.press("Enter");
    await page.locator(".answer-text", { hasText: "many words" }).waitFor();
    await page.reload();
    const storage = await page.evaluate(() =>
      JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href]),
    );
    expect(storage).not.toMatch(/sk_|many words|First of all/);
    if (key !== undefined) await signIn(console, key);
    await page.locator(".question-text", { hasText: "First of all" }).waitFor();
    await page.locator(".question-text", { hasText: question }).waitFor();
    await console.idle();
    expect(await answer(1).locator(".answer-text").innerText()).toContain(question);
    expect(callsAbout(question), "upstream is called once").toBe(1);
    await console.ask("What did I say?");
    expect(await answer(2).innerText()).toContain('"Say many words');
    expect(console.problems).toEqual([]);
  });

  test.concurrent("signing in removes a question that was asked without a key, and upstream is not called again", async () => {
    const console = await openConsole(scene());
    const { page, composer } = console;
    const question = "Is this for local eyes only?";
    await console.more({ model: "emulate/first-byte/1500" });
    await composer.fill(question);
    await composer.press("Enter");
    await page.locator(".question-text", { hasText: question }).waitFor();
    await console.button("Use a key").click();
    await page.getByText("Signing in removes what this page has stored without a key").waitFor();
    await signIn(console, SERVER_KEY);
    await console.ask("And who am I?");
    const branches = page.getByRole("navigation", { name: "Branches" }).getByRole("button");
    expect(await branches.allInnerTexts()).toEqual(["And who am I?"]);
    expect(await page.evaluate(() => JSON.stringify({ ...sessionStorage }))).not.toContain(question);
    expect(callsAbout(question)).toBe(1);
    expect(console.problems).toEqual([]);
  });

  test.concurrent("the user can continue without a conversation that can't be read, and its unfinished answer is still resumed", async () => {
    const console = await openConsole(scene(), {}, 502);
    const { page, composer, answer, button } = console;
    const question = `${LONG} Though nothing is read.`;
    await console.ask("My name is Mary.");
    await console.more(SLOW);
    await composer.fill(question);
    await composer.press("Enter");
    await page.locator(".answer-text", { hasText: "many words" }).waitFor();
    await page.route(/thread=true/, (route) =>
      route.fulfill({ status: 502, contentType: "text/html", body: "<h1>Bad gateway</h1>" }),
    );
    await page.reload();
    await button("Continue without it").waitFor();
    await expectAccessible(console, "a conversation that can't be read");
    await button("Continue without it").click();
    await answer(0).locator(".answer-text", { hasText: "Though nothing is read." }).waitFor();
    await console.idle();
    expect(callsAbout(question)).toBe(1);
    await page.getByText("It follows an answer that can't be shown here.").waitFor();
    await console.ask("What is my name?");
    expect(await answer(1).innerText(), "the next question follows it").toContain(
      'Before that you said: "My name is Mary."',
    );
    await page.unroute(/thread=true/);
    await page.reload();
    await page.locator(".question-text", { hasText: "My name is Mary." }).waitFor();
    expect(await page.locator(".question-text").count()).toBe(3);
    expect(console.problems).toEqual([]);
  });

  test.concurrent("with a publishable key, an unanswered question is shown and sent again only on request", async () => {
    const console = await openConsole(scene());
    const { page, composer, answer, button } = console;
    const question = "Is this a key for everybody?";
    await button("Use a key").click();
    await signIn(console, "pk_0123456789abcdefghij");
    await page.route(`${WORKER}/ask`, () => undefined);
    await composer.fill(question);
    await composer.press("Enter");
    await page.locator(".question-text", { hasText: question }).waitFor();
    await page.reload();
    await page.unroute(`${WORKER}/ask`);
    await page.getByText("This page has stored the conversation").waitFor();
    expect(await button("Cancel").count()).toBe(0);
    await signIn(console, "pk_0123456789abcdefghij");
    await page.getByText("This page has an unanswered question").waitFor();
    expect(await page.locator(".question").count()).toBe(0);
    await expectAccessible(console, "an unanswered question");
    await button("Show").click();
    await page.getByText("you may pay again").waitFor();
    await button("Continue").click();
    await answer(0).locator(".answer-text", { hasText: question }).waitFor();
    expect(callsAbout(question)).toBe(1);
    expect(console.problems).toEqual([]);
  });
}
