// The choice of the default model in npm run setup, and how it is written to src/config.ts.
import { readFileSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { chooseModel, columnsOf, configWithModel, fetchModels, modelsFrom } from "../../scripts/default-model.ts";

const SHIPPED = readFileSync("src/config.ts", "utf8");
const MODELS = [
  { id: "gpt-6-luna", ends: undefined },
  { id: "gpt-6-sol", ends: undefined },
  { id: "gpt-4.1", ends: "2027-01-14" },
];

/** Answers each question with the next line. */
function createPrompt(...lines: string[]): { ask: (question: string) => Promise<string>; printed: string[] } {
  const printed: string[] = [];
  return {
    printed,
    ask: (question) => {
      printed.push(question);
      return Promise.resolve(lines.shift() ?? "");
    },
  };
}

test("Enter changes nothing, a name chooses a model, and so does a unique part of a name", async () => {
  for (const [line, expected] of [
    ["", undefined],
    ["gpt-6-sol", "gpt-6-sol"],
    [" luna ", "gpt-6-luna"],
  ] as const)
    expect(await chooseModel(MODELS, "gpt-6-luna", createPrompt(line).ask, () => undefined)).toBe(expected);
});

test("a part of several names lists them, an unknown name gets a message, and both prompt again", async () => {
  const messages: string[] = [];
  const { ask, printed } = createPrompt("gpt", "claude", "gpt-4.1");
  expect(await chooseModel(MODELS, "gpt-6-luna", ask, (line) => void messages.push(line))).toBe("gpt-4.1");
  expect(printed).toHaveLength(3);
  expect(messages.join("\n")).toMatch(
    /gpt-4\.1 \(ends 2027-01-14\)\s+gpt-6-luna\s+gpt-6-sol\n.*no model of that name/s,
  );
});

test("src/config.ts is changed only while it is unmodified", () => {
  expect(configWithModel(SHIPPED, "gpt-6-sol")).toBe(SHIPPED.replace("gpt-6-luna", "gpt-6-sol"));
  for (const own of [
    SHIPPED.replace("} });", "}, console: true });"),
    SHIPPED.replace('model: "gpt-6-luna"', 'model: "gpt-6-luna", temperature: 1'),
    `${SHIPPED}\nconsole.log(1);\n`,
    "",
  ])
    expect(configWithModel(own, "gpt-6-sol")).toBeUndefined();
});

test("a name with characters of TypeScript's syntax is not written", () => {
  expect(configWithModel(SHIPPED, 'a" }, console: true, x: { y: "')).toBeUndefined();
});

test("the list of models is sorted and has shutdown dates, but no entries without a name", () => {
  const data = [
    { id: "b", shutdown_date: "2027-01-14" },
    { id: 7 },
    null,
    { id: "a", shutdown_date: null },
    { id: "" },
  ];
  expect(modelsFrom({ data })).toEqual([
    { id: "a", ends: undefined },
    { id: "b", ends: "2027-01-14" },
  ]);
  expect(modelsFrom({ error: {} })).toEqual([]);
});

test("the list's columns are as wide as the longest name and never wider than the terminal", () => {
  expect(columnsOf(["a", "bb", "ccc"], 10)).toBe("  a    bb\n  ccc");
  expect(columnsOf(["long-name"], 3)).toBe("  long-name");
});

test("the error for a list that is not JSON quotes nothing of it", async () => {
  vi.stubGlobal("fetch", () => Promise.resolve(new Response("\u001b[2J canary")));
  await expect(fetchModels("https://api.example.com", "sk-1")).rejects.toThrow(/^not JSON$/);
  vi.unstubAllGlobals();
});

test("a name or a date that could control the terminal is not listed", () => {
  const data = [{ id: "a\u001b[2J" }, { id: "b", shutdown_date: "\u001b]0;x\u0007" }];
  expect(modelsFrom({ data })).toEqual([{ id: "b", ends: undefined }]);
});
