// Warns in the log, once a day, of models in src/config.ts that their provider will shut down within 30 days. It does not call upstream: it
// reads the lists of models that the Worker fetches for GET /v1/models.
import type { Config } from "../core/config/define-config.ts";
import type { JsonObject } from "../core/lib/json.ts";

const DAY_MS = 86_400_000;
const NOTICE_MS = 30 * DAY_MS;

/** @param models the entries of a list of models. In OpenAI's, `shutdown_date` is YYYY-MM-DD, or null if no date was announced */
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
    for (const { id, shutdown_date } of models) {
      const names = typeof id === "string" ? settings.get(id) : undefined;
      const at = timeOf(shutdown_date);
      if (names === undefined || at === undefined || at - now() > NOTICE_MS) continue;
      warnedAt = now();
      const date = new Date(at).toISOString().slice(0, 10);
      warn(`model_shutdown: ${String(id)} (${names.join(", ")}) ends on ${date}. Name another model in src/config.ts`);
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

/**
 * Converts a date to milliseconds since 1970; undefined if the value is not a date. Relays may send Unix seconds or milliseconds in place
 * of OpenAI's string. 8.64e15 ms is the greatest time that a Date can have.
 */
function timeOf(date: unknown): number | undefined {
  const ms =
    typeof date === "number" ? (date < 1e11 ? date * 1_000 : date) : Date.parse(typeof date === "string" ? date : "");
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? ms : undefined;
}
