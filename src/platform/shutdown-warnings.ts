// Warns in the log, at most once a day in each isolate, of models in src/config.ts that their provider will shut down within 30 days or has
// shut down. It does not call upstream: it reads the lists of models that the Worker fetches for GET /v1/models.
import type { Config } from "../core/config/define-config.ts";
import type { JsonObject } from "../core/lib/json.ts";

const DAY_MS = 86_400_000;
const NOTICE_MS = 30 * DAY_MS;

/** @param models the entries of a list of models. In OpenAI's list, `shutdown_date` is YYYY-MM-DD, or null if no date was announced */
export type WarnOfShutdowns = (models: readonly JsonObject[]) => void;

export function createShutdownWarnings(
  config: Config,
  now: () => number,
  warn: (line: string) => void,
): WarnOfShutdowns {
  const settings = settingsByModel(config);
  let warnedAt = -Infinity;
  return function warnOfShutdowns(models) {
    if (now() - warnedAt < DAY_MS) return;
    const warned = new Set<string>();
    for (const { id, shutdown_date } of models) {
      // A relay may list a model more than once.
      if (typeof id !== "string" || warned.has(id)) continue;
      const names = settings.get(id);
      const at = timeOf(shutdown_date);
      if (names === undefined || at === undefined || at - now() > NOTICE_MS) continue;
      warned.add(id);
      warnedAt = now();
      const date = new Date(at).toISOString().slice(0, 10);
      warn(`model_shutdown: ${id} (${names.join(", ")}) ends on ${date}. Name another model in src/config.ts`);
    }
  };
}

/** Maps each model to the settings in src/config.ts that name it. */
function settingsByModel({ defaults, models = [], presets }: Config): ReadonlyMap<string, string[]> {
  const settings = new Map<string, string[]>();
  const add = (model: string | undefined, setting: string): void => {
    if (model !== undefined) settings.set(model, [...(settings.get(model) ?? []), setting]);
  };
  add(defaults.model, "defaults.model");
  for (const model of models) add(model, "models");
  for (const [name, { model, fallback }] of Object.entries(presets)) {
    // A preset without its own model has the default model, which is listed already.
    if (model !== defaults.model) add(model, `presets.${name}.model`);
    for (const other of fallback) add(other, `presets.${name}.fallback`);
  }
  return settings;
}

/** An earlier date is not a shutdown date but the zero value of a language: 1970-01-01, or 0001-01-01 in Go. */
const EARLIEST_MS = Date.UTC(2020, 0);
/** The latest time that a Date can have. */
const LATEST_MS = 8.64e15;

/**
 * Converts a date to milliseconds since 1970; undefined if the value is not a date, or is out of range. Relays may send Unix seconds or
 * milliseconds in place of OpenAI's string.
 */
function timeOf(date: unknown): number | undefined {
  const ms =
    typeof date === "number" ? (date < 1e11 ? date * 1_000 : date) : Date.parse(typeof date === "string" ? date : "");
  return ms >= EARLIEST_MS && ms < LATEST_MS ? ms : undefined;
}
