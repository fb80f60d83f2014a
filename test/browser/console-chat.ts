// The console's chat in Chromium: sending, stopping, resuming and branching, and how answers and errors are shown.
import { expect, test } from "vitest";
import type { Scene } from "./browser.ts";
import { type Console, openConsole } from "./console-page.ts";

const LONG = `Say ${"many words and ".repeat(12)}stop.`;
/** Answers `LONG` in about two seconds. */
const SLOW = { model: "emulate/slow/40" };

export function consoleChat(scene: () => Scene): void {
  const callsAbout = (text: string): number => scene().emulator.received.filter(({ raw }) => raw.includes(text)).length;

  test.concurrent("locally, without a sign-in: an answer grows word by word and shows its model, cost and code; Retry bypasses the cache", async () => {
    const console = await openConsole(scene());
    const { page, answer, button } = console;
    const lengths = await watchLengths(console);
    await console.ask("What is the capital of France, and of all its neighbours?");
    expect(await lengths(), "it grows word by word").toBeGreaterThan(3);
    const first = answer(0);
    expect(await first.innerText()).toContain('You said: "What is the capital');
    expect(await first.locator(".badges").innerText()).toMatch(/emulator\/gpt-6-luna\s+cache miss/);
    expect(await first.locator(".details").innerText()).toMatch(/\d+ tokens in · \d+ out · \$0\.0000\d+/);

    await console.ask("And of Spain?");
    expect(await answer(1).innerText()).toContain('Before that you said: "What is the capital');
    expect(await answer(1).locator(".badges").innerText()).toContain("continuity: upstream");

    await button("Code").last().click();
    const code = await answer(1).locator("pre").allInnerTexts();
    expect(code[0]).toMatch(/^curl -N http:\/\/localhost:8787\/ask \\\n[^]*"previous_response_id":"resp_ue1_/);
    expect(code[1]).toContain('createClient({ url: "http://localhost:8787" })');

    const again = await openConsole(scene());
    await again.ask("What is the capital of France, and of all its neighbours?");
    expect(await again.answer(0).locator(".badges").innerText()).toContain("cache hit");
    expect(callsAbout("of all its neighbours")).toBe(1);
    await again.button("Retry").click();
    await again.idle();
    expect(await again.page.locator(".walk").innerText()).toMatch(/^2\D+2$/);
    expect(await again.answer(0).locator(".badges").innerText()).toContain("cache refreshed");
    expect(callsAbout("of all its neighbours"), "a retry is not answered from the cache").toBe(2);
    expect([...console.problems, ...again.problems]).toEqual([]);
    expect(await page.title()).toBe("Chat · uniapi-edge");
  });

  test.concurrent("Stop ends an answer in the middle; Continue resumes it there, and upstream is not called again", async () => {
    const console = await openConsole(scene());
    const { page, composer, answer, button } = console;
    const question = `${LONG} And then go on.`;
    await console.more(SLOW);
    await composer.fill(question);
    await composer.press("Enter");
    await page.locator(".answer-text", { hasText: "many words" }).waitFor();
    await page.getByTitle("Stop").click();
    await page.getByText("Stopped here.").waitFor();
    const stopped = await answer(0).locator(".answer-text").innerText();
    expect(stopped).not.toContain("stop.");
    await button("Continue").click();
    await console.idle();
    const complete = await answer(0).locator(".answer-text").innerText();
    expect(complete.startsWith(stopped)).toBe(true);
    expect(complete).toContain(question);
    expect(callsAbout(question)).toBe(1);
    expect(console.problems).toEqual([]);
  });

  test.concurrent("an edited question is a branch: the user switches between branches, and the next question follows the one on display", async () => {
    const console = await openConsole(scene());
    const { page, answer, button, ask } = console;
    await ask("My name is Ada.");
    await ask("I live in Paris.");
    await button("Edit").last().click();
    await page.getByLabel("Change your question").fill("I live in Rome.");
    await page.getByLabel("Change your question").press("Enter");
    await console.idle();
    await ask("Where do I live?");
    expect(await answer(2).innerText()).toContain('"I live in Rome."');
    await button("Previous branch").click();
    expect(await page.locator(".question-text").allInnerTexts()).toEqual(["My name is Ada.", "I live in Paris."]);
    await ask("Where do I live now?");
    expect(await answer(2).innerText()).toContain('"I live in Paris."');
    const tree = page.getByRole("navigation", { name: "Branches" });
    expect(await tree.getByRole("button").allInnerTexts()).toEqual([
      "My name is Ada.",
      "I live in Paris.",
      "Where do I live now?",
      "I live in Rome.",
      "Where do I live?",
    ]);
    await tree.getByRole("button", { name: "Where do I live?" }).click();
    expect(await page.locator(".question-text").nth(1).innerText()).toBe("I live in Rome.");

    // A reload restores both branches by their ids, and shows the one that was chosen.
    await page.reload();
    await tree.getByRole("button", { name: "Where do I live now?" }).waitFor();
    expect(await tree.getByRole("button").count()).toBe(5);
    expect(await page.locator(".question-text").nth(1).innerText()).toBe("I live in Rome.");

    // The code is there too, without the settings that a reload loses.
    await button("Code").last().click();
    const [curl = ""] = await answer(2).locator("pre").allInnerTexts();
    expect(curl).toMatch(/"input":"Where do I live\?","previous_response_id":"resp_ue1_/);
    expect(await answer(2).locator(".code-panel").innerText()).toContain("no longer known");
    expect(console.problems).toEqual([]);
  });

  test.concurrent("a schema shows data, a function call takes its output, and citations are links to their sources", async () => {
    const console = await openConsole(scene());
    const { page, answer, ask, pick } = console;
    await pick("Schema", "summary");
    await ask("Summarise this.");
    expect(JSON.parse(await answer(0).locator("pre.data").innerText())).toHaveProperty("keywords");
    await pick("Schema", "");
    await pick("Tools", "function: get_weather");
    await ask("How is the weather?");
    expect(await answer(1).innerText()).toContain("get_weather");
    await page.getByLabel("Its output").fill("Sunny.");
    await console.button("Send output").click();
    await console.idle();
    expect(await page.locator(".question-text").nth(2).innerText()).toBe("Sunny.");
    expect(await answer(2).innerText()).toContain("Sunny.");
    await pick("Tools", "web search");
    await ask("Where can I read more?");
    expect(await page.locator(".citations a").first().getAttribute("href")).toBe("https://example.com/first");
    expect(console.problems).toEqual([]);
  });

  test.concurrent("a function's output can be sent after a premature question, and the page says that it must come first", async () => {
    const console = await openConsole(scene(), {}, 400);
    const { page, answer, ask, pick, button } = console;
    await pick("Tools", "function: get_weather");
    await ask("How is the weather in Rome?");
    await page.getByText("The conversation needs this output before the next question.").waitFor();
    await ask("Never mind: how are you?");
    await page.getByRole("alert").waitFor();
    await page.getByLabel("Its output").fill("Rain.");
    await button("Send output").click();
    await console.idle();
    expect(await answer(1).innerText()).toContain("Rain.");
    expect(console.problems).toEqual([]);
  });

  test.concurrent("an error is shown with its message, code and request id", async () => {
    const console = await openConsole(scene(), {}, 400);
    await console.pick("Model", "emulate/400");
    await console.ask("Does this work?");
    const shown = await console.page.getByRole("alert").innerText();
    expect(shown).toMatch(/\n\s*\w+ · request req_[0-9a-f]{24}$/);
    expect(
      scene()
        .log()
        .some(({ request_id }) => shown.endsWith(String(request_id))),
    ).toBe(true);
    expect(console.problems).toEqual([]);
  });
}

/** @returns a function that counts the different lengths that the answer has had */
async function watchLengths({ page }: Console): Promise<() => Promise<number>> {
  const seen = await page.evaluateHandle(() => {
    const seen = new Set<number>();
    const record = (): unknown => seen.add(document.querySelector(".answer-text")?.textContent?.length ?? 0);
    new MutationObserver(record).observe(document, { childList: true, subtree: true, characterData: true });
    return seen;
  });
  return () => seen.evaluate((seen) => seen.size);
}
