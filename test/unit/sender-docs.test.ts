// The documents have every sender of SENDERS: a page, a row in docs/webhooks.md, and a sample of its events.
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { SENDERS } from "../../src/hooks/senders.ts";
import { codesIn, linksOf, readText, rowsOf, sectionOf } from "../support/markdown.ts";

test.each(Object.entries(SENDERS))(
  "docs/senders/%s.md describes the sender and links to its provider",
  (scheme, { title, docs }) => {
    const page = `docs/senders/${scheme}.md`;
    expect(existsSync(page), `${page} is missing`).toBe(true);
    expect(readText(page)).toMatch(new RegExp(`^# ${title}$`, "m"));
    expect(linksOf(page)).toContain(docs);
    expect(rowsOf(readText(page))).toContainEqual(["`scheme`", `\`"${scheme}"\``]);
  },
);

test("the table in docs/webhooks.md has a row for each sender, and no other", () => {
  const rows = rowsOf(sectionOf("docs/webhooks.md", "Senders")).map(([sender, scheme]) => `${sender} ${scheme}`);
  const expected = Object.entries(SENDERS).map(
    ([scheme, { title }]) => `[${title}](senders/${scheme}.md) \`${scheme}\``,
  );
  expect(rows.toSorted()).toEqual(expected.toSorted());
});

test("docs/contract.md names each sender in its section about webhooks", () => {
  const named = codesIn(sectionOf("docs/contract.md", "7. Webhooks, jobs and callbacks"));
  expect(Object.keys(SENDERS).filter((scheme) => !named.includes(scheme))).toEqual([]);
});
