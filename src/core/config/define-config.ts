// defineConfig: turns a deployer's settings into a complete, frozen Config, or throws one ConfigError that lists every mistake with its
// path and its remedy. The schema is in config-schema.ts; the rules between settings and the messages are here.
import type * as z from "zod/mini";
import { ConfigFields, NAME, NAME_RULE, SENDER_SETTINGS, must } from "./config-schema.ts";
import type { Config, ConfigInput, Hook, HookFields } from "./config-schema.ts";
import { isAtOrigin } from "../lib/url-rules.ts";
import { IDENTITY_FIELDS, MAX_METADATA_KEYS } from "../../contract/request-fields.ts";

export type * from "./config-schema.ts";

type Path = readonly PropertyKey[];
type Report = (path: Path, message: string) => void;

/** All mistakes in src/config.ts. Each has the form `src/config.ts: path: message`; the error's own message is all of them, one per line. */
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
  return freezeCopy(complete(parsed.data)) as Config;
}

// ── Rules between settings ──

// They read the unparsed input, so that a wrong type elsewhere does not hide these mistakes.
function checkRules(input: unknown, report: Report): void {
  const config = recordOf(input);
  const defaults = recordOf(config["defaults"]);
  const presets = recordOf(config["presets"]);
  const callbacks = recordOf(config["callbacks"]);
  const callers = recordOf(config["callers"]);

  for (const kind of ["presets", "hooks", "callbacks"]) {
    for (const name of Object.keys(recordOf(config[kind]))) {
      if (!NAME.test(name)) report([kind, name], `is not a valid name: use ${NAME_RULE}`);
    }
  }
  for (const [name, preset] of Object.entries(presets)) {
    if (recordOf(preset)["model"] === undefined && defaults["model"] === undefined) {
      report(["presets", name], "has no model: give it one here or in defaults.model");
    }
    for (const [index, field] of listOf(recordOf(preset)["allow"]).entries()) {
      if (typeof field !== "string" || !IDENTITY_FIELDS.has(field)) continue;
      report(["presets", name, "allow", index], `must not be ${quote(field)}: this Worker sets that field itself`);
    }
  }
  if (config["continuity"] === "gateway" && config["turns"] === false) {
    report(["continuity"], 'must not be "gateway" while turns is false: there would be no turns to replay');
  }

  const usdLimitMistake = usdLimitRule(config, presets, defaults);
  const checkUsdLimit = (path: Path, granted: readonly unknown[], limits: UnknownRecord) => {
    const mistake = limits["usd_per_day"] === undefined ? null : usdLimitMistake(granted);
    if (mistake !== null) report([...path, "usd_per_day"], mistake);
  };
  const checkCaller = (path: Path, caller: UnknownRecord) => {
    const granted = listOf(caller["presets"]);
    for (const [index, name] of granted.entries())
      checkName([...path, "presets", index], name, "preset", presets, report);
    checkMetadata(granted, presets, defaults, report);
    for (const whose of ["per_visitor", "per_user", "total"])
      checkUsdLimit([...path, whose], granted, recordOf(caller[whose]));
  };
  for (const kind of ["publishable", "jwt"]) {
    for (const [index, caller] of listOf(callers[kind]).entries())
      checkCaller(["callers", kind, index], recordOf(caller));
  }
  for (const kind of ["sessions", "turnstile"]) checkCaller(["callers", kind], recordOf(callers[kind]));
  for (const field of ["id", "key"]) checkUnique(field, listOf(callers["publishable"]), report);
  if (callers["turnstile"] !== undefined) checkTurnstile(recordOf(callers["turnstile"]), callers["sessions"], report);

  for (const [name, value] of Object.entries(recordOf(config["hooks"]))) {
    const hook = recordOf(value);
    checkName(["hooks", name, "preset"], hook["preset"], "preset", presets, report);
    checkMetadata([hook["preset"]], presets, defaults, report);
    checkName(["hooks", name, "callback"], hook["callback"], "callback", callbacks, report);
    checkUsdLimit(["hooks", name], [hook["preset"]], hook);
    checkSenderSettings(["hooks", name], hook, report);
    if (hook["scheme"] === "hmac") checkHmac(["hooks", name], hook, report);
    if (hook["respond"] === "sync" && hook["callback"] !== undefined) {
      report(
        ["hooks", name, "callback"],
        'must not be here: with respond: "sync" the answer is the reply, and nothing is posted',
      );
    }
  }
  for (const [name, callback] of Object.entries(callbacks)) {
    const { url } = recordOf(callback);
    const parsed = typeof url === "string" ? URL.parse(url) : null;
    if (parsed !== null && typeof config["public_url"] === "string" && isAtOrigin(parsed, [config["public_url"]])) {
      report(["callbacks", name, "url"], "must not be this Worker itself (public_url)");
    }
  }
}

/** Presets of restricted callers must leave room for the metadata that these callers may add. */
function checkMetadata(
  granted: readonly unknown[],
  presets: UnknownRecord,
  defaults: UnknownRecord,
  report: Report,
): void {
  for (const name of granted) {
    if (typeof name !== "string" || !Object.hasOwn(presets, name)) continue;
    const own = recordOf(presets[name])["metadata"];
    if (Object.keys(recordOf(own ?? defaults["metadata"])).length <= MAX_METADATA_KEYS) continue;
    report(
      own === undefined ? ["defaults", "metadata"] : ["presets", name, "metadata"],
      `must have at most ${MAX_METADATA_KEYS} keys: UniAPI accepts 16, and callers of the preset may add ${MAX_METADATA_KEYS} of their own`,
    );
  }
}

/** Returns a function: the reason why a caller with these presets can't have a limit in USD, or null if it can. */
function usdLimitRule(
  config: UnknownRecord,
  presets: UnknownRecord,
  defaults: UnknownRecord,
): (granted: readonly unknown[]) => string | null {
  return (granted) => {
    const models = new Set<unknown>();
    for (const name of granted) {
      if (typeof name !== "string" || !Object.hasOwn(presets, name)) continue;
      const preset = recordOf(presets[name]);
      for (const model of [preset["model"] ?? defaults["model"], ...listOf(preset["fallback"])]) models.add(model);
      if (!listOf(preset["allow"]).includes("model")) continue;
      if (config["models"] === undefined) {
        return `needs the list \`models\`: preset ${quote(name)} lets callers name any model, and not all have a price`;
      }
      for (const model of listOf(config["models"])) models.add(model);
    }
    const unpriced = [...models].filter(
      (model) => typeof model === "string" && !Object.hasOwn(recordOf(config["prices"]), model),
    );
    return unpriced.length === 0 ? null : `needs the price of ${joinQuoted(unpriced, "and")}: add it to prices`;
  };
}

function checkName(path: Path, name: unknown, kind: "preset" | "callback", known: UnknownRecord, report: Report): void {
  if (typeof name !== "string" || Object.hasOwn(known, name)) return;
  const names = Object.keys(known);
  report(
    path,
    `names a ${kind} that is not in ${kind}s${names.length === 0 ? "" : `: use ${joinQuoted(names, "or")}`}`,
  );
}

function checkUnique(field: string, keys: readonly unknown[], report: Report): void {
  const seen = new Map<unknown, number>();
  for (const [index, key] of keys.entries()) {
    const value = recordOf(key)[field];
    const first = seen.get(value);
    if (value !== undefined && first !== undefined) {
      report(["callers", "publishable", index, field], `must differ from callers.publishable[${first}].${field}`);
    } else {
      seen.set(value, index);
    }
  }
}

function checkTurnstile(turnstile: UnknownRecord, sessions: unknown, report: Report): void {
  if (sessions === undefined) {
    report(["callers", "turnstile"], "needs callers.sessions, whose limits apply to its sessions: add it");
    return;
  }
  const granted = listOf(recordOf(sessions)["presets"]);
  for (const [index, name] of listOf(turnstile["presets"]).entries()) {
    if (!granted.includes(name)) {
      report(
        ["callers", "turnstile", "presets", index],
        "must be one of callers.sessions.presets too: a session can't do more than those",
      );
    }
  }
}

/** Reports settings that belong to another sender than the hook's. */
function checkSenderSettings(path: Path, hook: UnknownRecord, report: Report): void {
  for (const [scheme, settings] of Object.entries(SENDER_SETTINGS)) {
    if (hook["scheme"] === scheme) continue;
    for (const key of Object.keys(settings)) {
      if (hook[key] !== undefined)
        report([...path, key], `must not be here: only a hook with scheme ${quote(scheme)} has it`);
    }
  }
}

function checkHmac(path: Path, hook: UnknownRecord, report: Report): void {
  if (hook["header"] === undefined) {
    report([...path, "header"], 'is missing: scheme "hmac" needs the name of the header with the signature');
  }
  const signsTime = typeof hook["template"] === "string" && hook["template"].includes("{timestamp}");
  if (signsTime && hook["timestamp_header"] === undefined) {
    report(
      [...path, "timestamp_header"],
      "is missing: a template with {timestamp} needs the name of the header with the time",
    );
  }
  if (!signsTime && hook["timestamp_header"] !== undefined) {
    report(
      [...path, "timestamp_header"],
      "must not be here: the template has no {timestamp}, so the time would not be signed",
    );
  }
}

// ── Defaults ──

function complete(config: ConfigFields): Config {
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

function mapValues<In, Out>(values: Record<string, In>, make: (value: In) => Out): Record<string, Out> {
  const named: Record<string, Out> = Object.create(null);
  for (const [name, value] of Object.entries(values)) named[name] = make(value);
  return named;
}

// Returns a frozen copy: no request can change the config for the next one in this isolate, and the deployer's own objects are not
// frozen. Keys with the value undefined are removed, since in `{ ...defaults, ...preset }` they would hide a default.
function freezeCopy(value: unknown): unknown {
  if (Array.isArray(value)) return Object.freeze(value.map(freezeCopy));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  const copy = Object.fromEntries(entries.map(([key, inner]) => [key, freezeCopy(inner)]));
  return Object.freeze(Object.getPrototypeOf(value) === null ? Object.setPrototypeOf(copy, null) : copy);
}

// ── Messages ──

function reportIssues(issues: readonly z.core.$ZodIssue[], above: Path, report: Report): void {
  for (const issue of issues) {
    const path = [...above, ...issue.path];
    if (issue.code === "unrecognized_keys") {
      const messages = issue.message.split("\n");
      for (const [index, key] of issue.keys.entries())
        report([...path, key], messages[index] ?? "is not a setting: remove it");
      continue;
    }
    // If one form of a union has the right type, its own mistakes are more useful than the list of forms.
    const closestForm =
      issue.code === "invalid_union" ? issue.errors.find((branch) => !branch.some(hasWrongType)) : undefined;
    if (closestForm) reportIssues(closestForm, path, report);
    else report(path, issue.message);
  }
}

const hasWrongType = ({ path, code }: z.core.$ZodIssue) =>
  path.length === 0 && (code === "invalid_type" || code === "invalid_value");

const TYPE_NAMES: Record<string, string> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
};

/** The message for an issue without one of its own. Zod's messages would add a locale to the bundle. */
function messageFor(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return must(TYPE_NAMES[issue.expected] ?? issue.expected, issue);
    case "invalid_value":
      return must(joinQuoted(issue.values, "or"), issue);
    case "too_small":
      if (issue.origin === "string" || issue.origin === "array") return "must not be empty";
      return must(`${issue.inclusive ? "at least" : "above"} ${issue.minimum}`, issue);
    case "too_big":
      return must(
        issue.origin === "string" ? `at most ${issue.maximum} characters long` : `at most ${issue.maximum}`,
        issue,
      );
    case "unrecognized_keys":
      return issue.keys.map(() => unknownKey(issue.inst)).join("\n");
    case "invalid_union":
      return must(
        [...new Set(issue.errors.map((branch) => branch[0]?.message.replace(/^must be /, "")))].join(" or "),
        issue,
      );
    default:
      return "does not have a valid form";
  }
}

function unknownKey(schema: z.core.$ZodRawIssue["inst"]): string {
  const shape = schema !== undefined && "shape" in schema._zod.def ? recordOf(schema._zod.def.shape) : {};
  const known = Object.keys(shape);
  return `is not a setting: remove it, or use one of ${known.join(", ")}`;
}

const quote = (value: unknown) => JSON.stringify(value);
const joinQuoted = (values: readonly unknown[], word: "and" | "or") =>
  [values.slice(0, -1).map(quote).join(", "), ...values.slice(-1).map(quote)]
    .filter((part) => part !== "")
    .join(` ${word} `);

/** A path in the syntax of TypeScript: presets.support.fallback[0], prices["gpt-6-sol"].input. */
const formatPath = (path: Path) =>
  path
    .map((key) =>
      typeof key === "number"
        ? `[${key}]`
        : /^[a-z_$][\w$]*$/i.test(String(key))
          ? `.${String(key)}`
          : `[${quote(String(key))}]`,
    )
    .join("")
    .replace(/^\./, "");

type UnknownRecord = Record<string, unknown>;
const recordOf = (value: unknown): UnknownRecord =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as UnknownRecord) : {};
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
