// The documents are consistent: the links, images, headings, files, commands and exports that they name exist, every page can be found,
// and the README is short and the same in both languages. document-tables.test.ts compares their tables with the code.
import { existsSync, globSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { anchorsOf, blocksOf, linksOf, MARKDOWN_FILES, proseOf, readText } from "../support/markdown.ts";

const MAX_README_BYTES = 9_216;
const isExternal = (link: string): boolean => /^[a-z]+:/i.test(link);

/** Paths of this repository between backticks. */
const filesNamedBy = (page: string): string[] =>
  [...proseOf(page).matchAll(/`((?:src|test|scripts|docs|client|\.ci)\/[\w./-]+|wrangler\.toml)`/g)].map(
    ([, path = ""]) => path,
  );

/** The file that a link leads to, and the heading in it, if it names one. */
function targetOf(page: string, link: string): { file: string; anchor: string | undefined } {
  const [file = "", anchor] = link.split("#");
  return { file: file === "" ? page : join(dirname(page), decodeURIComponent(file)), anchor };
}

describe.each(MARKDOWN_FILES)("%s", (page) => {
  test("links to files and headings that exist", () => {
    const broken = linksOf(page).filter((link) => {
      if (isExternal(link)) return !URL.canParse(link);
      const { file, anchor } = targetOf(page, link);
      return !existsSync(file) || (anchor !== undefined && !anchorsOf(file).includes(anchor));
    });
    expect(broken).toEqual([]);
  });

  test("names files that exist", () => {
    expect(filesNamedBy(page).filter((path) => !existsSync(path))).toEqual([]);
  });

  test("names commands of package.json", () => {
    const { scripts } = JSON.parse(readText("package.json")) as { scripts: Record<string, string> };
    const named = [...readText(page).matchAll(/npm run ([\w-]+(?::[\w-]+)*)/g)].map(([, script = ""]) => script);
    expect(named.filter((script) => !Object.hasOwn(scripts, script))).toEqual([]);
  });
});

test("the checks above find the links, headings and files that they check", () => {
  expect(linksOf("README.md")).toEqual(
    expect.arrayContaining(["docs/images/console-chat-dark.png", "docs/api.md", "LICENSE"]),
  );
  expect(anchorsOf("docs/contract.md")).toEqual(expect.arrayContaining(["3-v1responses", "5-callers"]));
  expect(filesNamedBy("docs/architecture.md").length).toBeGreaterThan(40);
});

test("comments and messages in the code name pages and sections that exist", () => {
  const missing: string[] = [];
  const files = ["src", "scripts", "test"].flatMap((folder) =>
    globSync(`${folder}/**/*.{ts,tsx}`, { exclude: (name) => name === "node_modules" }),
  );
  for (const file of files)
    for (const [, page = "", section] of readText(file).matchAll(/\b(docs\/[\w/-]+\.md)(?:,? §(\d+))?/g)) {
      const heading = new RegExp(`^## ${section ?? "NONE"}\\. `, "m");
      if (!existsSync(page) || (section !== undefined && !heading.test(readText(page))))
        missing.push(`${file}: ${page} ${section ?? ""}`);
    }
  expect(files.length).toBeGreaterThan(200);
  expect(missing).toEqual([]);
});

test("docs/README.md leads to every page", () => {
  const found = new Set(["docs/README.md"]);
  for (const page of found)
    for (const link of linksOf(page)) {
      if (isExternal(link)) continue;
      const { file } = targetOf(page, link);
      if (file.endsWith(".md") && existsSync(file)) found.add(file);
    }
  expect(MARKDOWN_FILES.filter((page) => !found.has(page))).toEqual([]);
  const named = new Set(linksOf("docs/README.md").map((link) => targetOf("docs/README.md", link).file));
  const pages = readdirSync("docs").flatMap((name) => (name.endsWith(".md") ? [`docs/${name}`] : []));
  expect(pages.filter((page) => page !== "docs/README.md" && !named.has(page))).toEqual([]);
});

test("every image in docs/images is shown by a page", () => {
  const shown = new Set(
    MARKDOWN_FILES.flatMap((page) => linksOf(page).map((link) => (isExternal(link) ? "" : targetOf(page, link).file))),
  );
  expect(readdirSync("docs/images").filter((name) => !shown.has(`docs/images/${name}`))).toEqual([]);
});

describe.each(["CONTRIBUTING.md", "docs/architecture.md"])("%s", (page) => {
  const text = proseOf(page);

  test("names test files that exist in its commands", () => {
    const files = [...readText(page).matchAll(/npx vitest run .* (\S+)$/gm)].map(([, path = ""]) => path);
    expect(files.filter((path) => !existsSync(path))).toEqual([]);
  });

  test("names exports and members that the named files declare", () => {
    const missing: string[] = [];
    for (const [, names = "", path = ""] of text.matchAll(
      /((?:`\w+`(?:, | and ))*`\w+`) (?:in|of) `((?:src|scripts|test)\/[\w./-]+\.tsx?)`/g,
    ))
      for (const [, name = ""] of names.matchAll(/`(\w+)`/g)) {
        const declared = new RegExp(
          `^(?:(?:export )?(?:async )?(?:const|function|interface|type|class) ${name}\\b|  ${name}[:?(])`,
          "m",
        );
        if (!declared.test(readText(path))) missing.push(`${name} in ${path}`);
      }
    expect(missing).toEqual([]);
  });
});

test("the picture of a request's path names files and folders of src", () => {
  const picture = blocksOf("docs/architecture.md").find((block) => block.startsWith("mermaid\n")) ?? "";
  const named = [...picture.matchAll(/"([\w./-]+)<br\/>/g)].map(([, path = ""]) => path);
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((path) => !existsSync(join("src", path)))).toEqual([]);
});

describe("the README", () => {
  test.each(["README.md", "README.zh-CN.md"])("%s has at most 9 KiB", (page) => {
    expect(statSync(page).size).toBeLessThanOrEqual(MAX_README_BYTES);
  });

  test("shows no id of an answer on its first screen", () => {
    expect(readText("README.md").slice(0, 4_000)).not.toMatch(/resp_ue1_\w/);
  });

  test("has the same blocks in both languages, in the same order", () => {
    expect(blocksOf("README.zh-CN.md")).toEqual(blocksOf("README.md"));
    expect(blocksOf("README.md").filter((block) => block.startsWith("sh\n")).length).toBeGreaterThan(5);
  });

  test("has the same headings and the same links in both languages", () => {
    const levels = (page: string): string[] => [...proseOf(page).matchAll(/^(#+) /gm)].map(([, level = ""]) => level);
    const links = (page: string): string[] =>
      linksOf(page)
        .map((link) => link.replace(/^README(?:\.zh-CN)?\.md$/, "the other").replace(/^#.*/, "a heading"))
        .toSorted();
    expect(levels("README.zh-CN.md")).toEqual(levels("README.md"));
    expect(links("README.zh-CN.md")).toEqual(links("README.md"));
  });
});
