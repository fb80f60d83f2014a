// Reads code blocks of docs/browser.md, for tests that run them unchanged.
import { readFileSync } from "node:fs";

/** The first block of one language under a heading of docs/browser.md. */
export function snippetIn(heading: string, language: string): string {
  const text = readFileSync("docs/browser.md", "utf8");
  const section = text.slice(text.indexOf(`\n## ${heading}\n`) + 1).split("\n## ")[0] ?? "";
  const code = new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(section)?.[1];
  if (code === undefined) throw new Error(`docs/browser.md has no ${language} under "${heading}"`);
  return code;
}
