// Turns a deployer's settings into a complete, frozen Config, or throws one ConfigError that lists every mistake with its path and its
// remedy. config-schema.ts has the schema and config-messages.ts the messages for its issues. config-rules.ts has the rules between
// settings.
import { formatPath, messageFor, type Report, reportIssues } from "./config-messages.ts";
import { checkRules } from "./config-rules.ts";
import { ConfigFields } from "./config-schema.ts";
import type { Config, ConfigInput, Hook, HookFields } from "./config-schema.ts";

export type * from "./config-schema.ts";

/** Lists all mistakes in src/config.ts, each as `src/config.ts: path: message`. The error's message has one mistake per line. */
export class ConfigError extends Error {
  readonly mistakes: readonly string[];
  constructor(mistakes: readonly string[]) {
    super(mistakes.join("\n"));
    this.name = "ConfigError";
    this.mistakes = mistakes;
  }
}

/**
 * Checks the settings of src/config.ts and fills in the defaults. Every setting is described in docs/configuration.md.
 * @example
 * export default defineConfig({
 *   defaults: { model: "gpt-6-luna" },
 *   presets: { support: { instructions: "You help customers of Example Ltd.", max_output_tokens: 512 } },
 *   origins: ["https://shop.example.com"],
 *   callers: {
 *     publishable: [
 *       {
 *         id: "shop",
 *         key: "pk_2f9d7c41b8e0a6d35c17",
 *         presets: ["support"],
 *         per_visitor: { tokens_per_day: 20_000 },
 *         total: { usd_per_day: 5 },
 *       },
 *     ],
 *   },
 *   prices: { "gpt-6-luna": { input: 0.1, cached: 0.01, output: 0.5 } },
 * });
 * @throws ConfigError with every mistake
 */
export function defineConfig(input: ConfigInput): Config {
  const mistakes = new Set<string>();
  const report: Report = (path, message) =>
    mistakes.add(`src/config.ts: ${path.length > 0 ? `${formatPath(path)}: ` : ""}${message}`);
  const parsed = ConfigFields.safeParse(input, { error: messageFor });
  if (!parsed.success) reportIssues(parsed.error.issues, [], report);
  checkRules(input, report);
  if (!parsed.success || mistakes.size > 0) throw new ConfigError([...mistakes]);
  return freezeCopy(completeConfig(parsed.data)) as Config;
}

/** Adds the defaults that depend on other settings. */
function completeConfig(config: ConfigFields): Config {
  const { cache, callers, defaults } = config;
  const { sessions, turnstile } = callers;
  return {
    ...config,
    models: config.models,
    public_url: config.public_url,
    callers: {
      ...callers,
      sessions,
      turnstile: turnstile && { ...turnstile, presets: turnstile.presets ?? sessions?.presets ?? [] },
    },
    presets: mapValues(config.presets, (preset) => ({
      ...preset,
      model: preset.model ?? defaults.model ?? "",
      images: preset.images === true ? { hosts: [] } : preset.images,
      cache:
        preset.cache === undefined
          ? cache && { ttl: cache.ttl, scope: "owner" }
          : preset.cache && { ttl: preset.cache.ttl ?? (cache ? cache.ttl : 3_600), scope: preset.cache.scope },
    })),
    hooks: mapValues(config.hooks, completeHook),
    callbacks: mapValues(config.callbacks, (callback) => callback),
    prices: mapValues(config.prices, (price) => ({ ...price, cached: price.cached ?? price.input })),
  };
}

function completeHook({
  scheme,
  header,
  algorithm,
  encoding,
  template,
  timestamp_header,
  id_header,
  ...hook
}: HookFields): Hook {
  if (scheme !== "hmac") return { ...hook, scheme };
  return {
    ...hook,
    scheme,
    header: header ?? "",
    algorithm: algorithm ?? "sha256",
    encoding: encoding ?? "hex",
    template: template ?? "{body}",
    timestamp_header,
    id_header,
  };
}

/** Converts every value. The result has no prototype, so that a name such as "constructor" finds nothing. */
function mapValues<In, Out>(values: Record<string, In>, convert: (value: In) => Out): Record<string, Out> {
  const converted: Record<string, Out> = Object.create(null);
  for (const [name, value] of Object.entries(values)) converted[name] = convert(value);
  return converted;
}

/**
 * Returns a frozen copy, so that no request can change the config for later requests in this isolate. The deployer's own objects are not
 * frozen. Keys with the value undefined are removed, because in `{ ...defaults, ...preset }` they would hide a default.
 */
function freezeCopy(value: unknown): unknown {
  if (Array.isArray(value)) return Object.freeze(value.map(freezeCopy));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  const copy = Object.fromEntries(entries.map(([key, inner]) => [key, freezeCopy(inner)]));
  return Object.freeze(Object.getPrototypeOf(value) === null ? Object.setPrototypeOf(copy, null) : copy);
}
