// Warns in the log, once a day, of models in src/config.ts that their provider is about to shut down. It makes no call of its own: it
// only reads the lists that callers of GET /v1/models cause the Worker to fetch.
import type { Config } from "../core/config/define-config.ts";
import type { JsonObject } from "../core/lib/json.ts";

const DAY_MS = 86_400_000;
const NOTICE_MS = 30 * DAY_MS;

/** @param models the entries of a list of models. OpenAI's have `shutdown_date`: YYYY-MM-DD, or null if none was announced */
export type WarnOfShutdowns = (models: readonly JsonObject[]) => void;

export function shutdownWarnings(config: Config, now: () => number, warn: (line: string) => void): WarnOfShutdowns {
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

/** The settings of src/config.ts that name each model. */
function settingsByModel({ defaults, models = [], presets }: Config): ReadonlyMap<string, string[]> {
  const settings = new Map<string, string[]>();
  const add = (model: string | undefined, setting: string): void => {
    if (model !== undefined) settings.set(model, [...(settings.get(model) ?? []), setting]);
  };
  add(defaults.model, "defaults.model");
  for (const model of models) add(model, "models");
  for (const [name, { model, fallback }] of Object.entries(presets)) {
    // A preset without a model of its own has the default one.
    if (model !== defaults.model) add(model, `presets.${name}.model`);
    for (const other of fallback) add(other, `presets.${name}.fallback`);
  }
  return settings;
}

/**
 * Milliseconds since 1970; undefined for a value that is no date. Relays may send Unix seconds or milliseconds in place of OpenAI's date.
 * 8.64e15 ms is the greatest time that a Date can have.
 */
function timeOf(date: unknown): number | undefined {
  const ms =
    typeof date === "number" ? (date < 1e11 ? date * 1_000 : date) : Date.parse(typeof date === "string" ? date : "");
  return Number.isFinite(ms) && Math.abs(ms) < 8.64e15 ? ms : undefined;
}
