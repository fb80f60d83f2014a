// Reads the Markdown files of this repository for tests: prose, headings, links, tables and fenced blocks.
import { readdirSync, readFileSync } from "node:fs";

/** Every Markdown file of the repository, except those of packages and of generated folders. */
export const MARKDOWN_FILES: readonly string[] = [".", "docs", "client", "scripts", "src", "test"]
  .flatMap((folder) =>
    readdirSync(folder, { recursive: folder !== ".", encoding: "utf8" }).map((name) =>
      folder === "." ? name : `${folder}/${name}`,
    ),
  )
  .filter((path) => path.endsWith(".md") && !/(?:^|\/)(?:node_modules|\.[^/]+)\//.test(path))
  .toSorted();

export const readText = (path: string): string => readFileSync(path, "utf8");

/** A page without its fenced blocks and comments. */
export const proseOf = (path: string): string =>
  readText(path)
    .replaceAll(/^```[\s\S]*?^```$/gm, "")
    .replaceAll(/<!--[\s\S]*?-->/g, "");

/** The fenced blocks of a page, each with its language as its first line. */
export const blocksOf = (path: string): string[] =>
  [...readText(path).matchAll(/^```([\s\S]*?)^```$/gm)].map(([, block = ""]) => block);

/** The text under one heading, up to the next heading of any level that is not deeper. */
export function sectionOf(path: string, heading: string): string {
  const lines = readText(path).split("\n");
  const start = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, "") === heading);
  if (start === -1) throw new Error(`${path} has no heading "${heading}"`);
  const level = /^#+/.exec(lines[start] ?? "")?.[0].length ?? 0;
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => (/^(#+) /.exec(line)?.[1]?.length ?? Infinity) <= level);
  return rest.slice(0, end === -1 ? undefined : end).join("\n");
}

export interface Table {
  head: string[];
  rows: string[][];
}

/** The tables of a text, cell by cell. */
export function tablesOf(text: string): Table[] {
  const tables: Table[] = [];
  let head: string[] = [];
  let table: Table | undefined;
  for (const line of text.split("\n")) {
    const cells = line.startsWith("|")
      ? line
          .slice(1, -1)
          .split(/(?<!\\)\|/)
          .map((cell) => cell.trim())
      : undefined;
    if (cells === undefined) table = undefined;
    else if (cells.every((cell) => /^:?-+:?$/.test(cell))) tables.push((table = { head, rows: [] }));
    else if (table === undefined) head = cells;
    else table.rows.push(cells);
  }
  return tables;
}

/** The rows of all tables in a text, without heads. */
export const rowsOf = (text: string): string[][] => tablesOf(text).flatMap(({ rows }) => rows);

/** The parts of a text between backticks. */
export const codesIn = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, code = ""]) => code);

/** Targets of links and images. */
export const linksOf = (path: string): string[] =>
  [
    ...proseOf(path)
      .replaceAll(/`[^`\n]*`/g, "")
      .matchAll(/(?:\]\(|(?:src|srcset|href)=")([^)"\s]+)/g),
  ].map(([, target = ""]) => target);

/** The names under which GitHub finds a page's headings; a heading that is repeated gets -1, -2 … */
export function anchorsOf(path: string): string[] {
  const seen = new Map<string, number>();
  return [...proseOf(path).matchAll(/^#+ (.+)$/gm)].map(([, heading = ""]) => {
    const anchor = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-");
    const count = seen.get(anchor) ?? 0;
    seen.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  });
}
