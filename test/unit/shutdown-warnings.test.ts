// The models of the config that the log warns about, and how often, from the list of GET /v1/models.
import { expect, test } from "vitest";
import { defineConfig } from "../../src/core/config/define-config.ts";
import { createShutdownWarnings } from "../../src/platform/shutdown-warnings.ts";

const NOW = Date.parse("2026-12-20T12:00:00Z");
const DAY_MS = 86_400_000;
const config = defineConfig({
  defaults: { model: "a" },
  models: ["a", "b"],
  presets: { inherits: {}, own: { model: "c", fallback: ["a", "d"] } },
});

function warner(): { lines: string[]; warn: (models: object[]) => void; pass: (ms: number) => void } {
  let clock = NOW;
  const lines: string[] = [];
  const warn = createShutdownWarnings(
    config,
    () => clock,
    (line) => void lines.push(line),
  );
  return { lines, warn: (models) => warn(models as Record<string, unknown>[]), pass: (ms) => void (clock += ms) };
}

test("a model that ends within 30 days is named with its settings and its date", () => {
  const { lines, warn } = warner();
  warn([
    { id: "a", shutdown_date: "2027-01-14" },
    { id: "c", shutdown_date: "2026-12-21" },
    { id: "d", shutdown_date: "2026-12-01" },
  ]);
  const ends = (model: string, settings: string, date: string): string =>
    `model_shutdown: ${model} (${settings}) ends on ${date}. Name another model in src/config.ts`;
  expect(lines).toEqual([
    ends("a", "defaults.model, models, presets.own.fallback", "2027-01-14"),
    ends("c", "presets.own.model", "2026-12-21"),
    ends("d", "presets.own.fallback", "2026-12-01"),
  ]);
});

test.each<[string, unknown]>([
  ["in 31 days", "2027-01-20"],
  ["never", null],
  ["without a date", undefined],
  ["with a string that is not a date", "soon"],
  ["with an object", {}],
  ["at a relay's zero", 0],
  ["at a zero in a string", "0"],
  ["before 1970", -1],
  ["at Go's zero", "0001-01-01T00:00:00Z"],
])("a model that ends %s is not named", (_, shutdown_date) => {
  const { lines, warn } = warner();
  warn([{ id: "a", shutdown_date }, { id: 7 }, {}]);
  expect(lines).toEqual([]);
});

test("a model that the config does not name is not named either", () => {
  const { lines, warn } = warner();
  warn([{ id: "z", shutdown_date: "2026-12-21" }]);
  expect(lines).toEqual([]);
});

test.each([["2027-01-14T00:00:00Z"], [1_799_884_800], [1_799_884_800_000]])("the date may be %j", (shutdown_date) => {
  const { lines, warn } = warner();
  warn([{ id: "b", shutdown_date }]);
  expect(lines).toEqual(["model_shutdown: b (models) ends on 2027-01-14. Name another model in src/config.ts"]);
});

test("a warning is logged once a day", () => {
  const { lines, warn, pass } = warner();
  const list = [{ id: "a", shutdown_date: "2027-01-14" }];
  warn([]);
  warn(list);
  pass(DAY_MS - 1);
  warn(list);
  expect(lines).toHaveLength(1);
  pass(1);
  warn(list);
  expect(lines).toHaveLength(2);
});

test("a model that is listed many times is named once", () => {
  const { lines, warn } = warner();
  warn(Array.from({ length: 1_000 }, () => ({ id: "a", shutdown_date: "2026-12-21" })));
  expect(lines).toHaveLength(1);
});
