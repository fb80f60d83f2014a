// The documents hold together: what they link to and name is there, docs/README.md leaves none out, and the Chinese README has the
// commands of the English one.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";

const DOCS = readdirSync("docs").filter((name) => name.endsWith(".md"));
const PAGES = [
  "README.md",
  "README.zh-CN.md",
  "CONTRIBUTING.md",
  "CHANGELOG.md",
  ...DOCS.map((name) => `docs/${name}`),
];

const read = (path: string): string => readFileSync(path, "utf8");
/** Without what stands in fences. */
const prose = (path: string): string => read(path).replaceAll(/^```[\s\S]*?^```$/gm, "");

/** The names under which GitHub finds a page's headings. */
function anchorsOf(path: string): string[] {
  return [...prose(path).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

/** Commands, code and what they print, each block as it stands between its fences, its language included. */
const blocksOf = (path: string): string[] =>
  [...read(path).matchAll(/^```([\s\S]*?)^```$/gm)].map(([, block = ""]) => block);

describe.each(PAGES)("%s", (page) => {
  test("links to files and headings that are there", () => {
    const links = [...prose(page).matchAll(/(?:\]\(|(?:src|srcset)=")([^)"\s]+)/g)].map(([, target = ""]) => target);
    for (const link of links.filter((target) => !/^\w+:/.test(target))) {
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? page : join(dirname(page), file);
      expect(existsSync(target), link).toBe(true);
      if (anchor !== undefined) expect(anchorsOf(target), link).toContain(anchor);
    }
  });
});

test("docs/README.md names every document", () => {
  for (const name of DOCS.filter((doc) => doc !== "README.md")) expect(read("docs/README.md")).toContain(`](${name})`);
});

test("what CONTRIBUTING.md names as a file, a command or an export is there", () => {
  const text = prose("CONTRIBUTING.md");
  const paths = [...text.matchAll(/`((?:src|test|scripts|\.ci)\/[\w./-]+|\.[\w.-]+|wrangler\.toml)`/g)].map(
    ([, path = ""]) => path,
  );
  expect(paths.length).toBeGreaterThan(40);
  for (const path of paths) expect(existsSync(path), path).toBe(true);

  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  for (const [, script = ""] of read("CONTRIBUTING.md").matchAll(/npm run ([\w:-]+)/g))
    expect(scripts).toHaveProperty([script]);
  for (const [, path = ""] of read("CONTRIBUTING.md").matchAll(/npx vitest run .* (\S+)$/gm))
    expect(existsSync(path), path).toBe(true);

  for (const [, names = "", path = ""] of text.matchAll(/((?:`\w+` and )?`\w+`) (?:in|of) `(src\/[\w./-]+\.ts)`/g))
    for (const [, name = ""] of names.matchAll(/`(\w+)`/g))
      expect(read(path), path).toMatch(
        new RegExp(`^(?:(?:export )?(?:async )?(?:const|function|interface) ${name}\\b|  ${name}: )`, "m"),
      );
});

test("every room of src stands in CONTRIBUTING.md", () => {
  for (const { name } of readdirSync("src", { withFileTypes: true }).filter((entry) => entry.isDirectory()))
    expect(read("CONTRIBUTING.md")).toMatch(new RegExp(`^\\| \`src/${name}\` \\|`, "m"));
});

test("every block of README.zh-CN.md, commands, code or output, stands in README.md", () => {
  const english = blocksOf("README.md");
  const chinese = blocksOf("README.zh-CN.md");
  expect(chinese.filter((block) => block.startsWith("sh\n")).length).toBeGreaterThan(10);
  for (const block of chinese) expect(english).toContain(block);
});

test("each README leads to the other, and both to the same places to deploy", () => {
  const button = /\(https:\/\/deploy\.workers\.cloudflare\.com\/\?url=[^)]+\)/;
  expect(read("README.md")).toContain("](README.zh-CN.md)");
  expect(read("README.zh-CN.md")).toContain("](README.md)");
  expect(button.exec(read("README.zh-CN.md"))?.[0]).toBe(button.exec(read("README.md"))?.[0]);
});
