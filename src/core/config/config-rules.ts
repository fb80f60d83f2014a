// Checks the rules between settings of src/config.ts. Reads the unparsed input, so that a wrong type in one setting does not hide the
// mistakes in others.
import { IDENTITY_FIELDS, MAX_METADATA_KEYS } from "../../contract/request-fields.ts";
import { isAtOrigin } from "../lib/url-rules.ts";
import { joinQuoted, type Path, quote, type Report } from "./config-messages.ts";
import { NAME, NAME_RULE, SENDER_SETTINGS } from "./config-schema.ts";

/** The unparsed config, and those of its sections that other settings refer to. */
interface Sections {
  config: UnknownRecord;
  defaults: UnknownRecord;
  presets: UnknownRecord;
  callbacks: UnknownRecord;
}

/** Reports every setting that contradicts another one. @param input the argument of defineConfig */
export function checkRules(input: unknown, report: Report): void {
  const config = recordOf(input);
  const sections: Sections = {
    config,
    defaults: recordOf(config["defaults"]),
    presets: recordOf(config["presets"]),
    callbacks: recordOf(config["callbacks"]),
  };
  checkNames(config, report);
  checkPresets(sections, report);
  if (config["continuity"] === "gateway" && config["turns"] === false) {
    report(["continuity"], 'must not be "gateway" while turns is false: there would be no turns to replay');
  }
  checkCallers(sections, report);
  for (const [name, hook] of Object.entries(recordOf(config["hooks"])))
    checkHook(sections, name, recordOf(hook), report);
  checkCallbacks(sections, report);
}

/** Reports names that can't be part of paths, KV keys and log lines. */
function checkNames(config: UnknownRecord, report: Report): void {
  for (const kind of ["presets", "hooks", "callbacks"]) {
    for (const name of Object.keys(recordOf(config[kind]))) {
      if (!NAME.test(name)) report([kind, name], `is not a valid name: use ${NAME_RULE}`);
    }
  }
}

function checkPresets({ presets, defaults }: Sections, report: Report): void {
  for (const [name, preset] of Object.entries(presets)) {
    if (recordOf(preset)["model"] === undefined && defaults["model"] === undefined) {
      report(["presets", name], "has no model: give it one here or in defaults.model");
    }
    for (const [index, field] of listOf(recordOf(preset)["allow"]).entries()) {
      if (typeof field !== "string" || !IDENTITY_FIELDS.has(field)) continue;
      report(["presets", name, "allow", index], `must not be ${quote(field)}: this Worker sets that field itself`);
    }
  }
}

function checkCallers(sections: Sections, report: Report): void {
  const callers = recordOf(sections.config["callers"]);
  for (const kind of ["publishable", "jwt"]) {
    for (const [index, caller] of listOf(callers[kind]).entries())
      checkCaller(sections, ["callers", kind, index], recordOf(caller), report);
  }
  for (const kind of ["sessions", "turnstile"])
    checkCaller(sections, ["callers", kind], recordOf(callers[kind]), report);
  for (const field of ["id", "key"]) checkUnique(field, listOf(callers["publishable"]), report);
  if (callers["turnstile"] !== undefined) checkTurnstile(recordOf(callers["turnstile"]), callers["sessions"], report);
}

function checkCaller(sections: Sections, path: Path, caller: UnknownRecord, report: Report): void {
  const granted = listOf(caller["presets"]);
  for (const [index, name] of granted.entries())
    checkName([...path, "presets", index], name, "preset", sections.presets, report);
  checkMetadata(sections, granted, report);
  for (const whose of ["per_visitor", "per_user", "total"])
    checkUsdLimit(sections, [...path, whose], granted, recordOf(caller[whose]), report);
}

function checkHook(sections: Sections, name: string, hook: UnknownRecord, report: Report): void {
  const path = ["hooks", name];
  checkName([...path, "preset"], hook["preset"], "preset", sections.presets, report);
  checkMetadata(sections, [hook["preset"]], report);
  checkName([...path, "callback"], hook["callback"], "callback", sections.callbacks, report);
  checkUsdLimit(sections, path, [hook["preset"]], hook, report);
  checkSenderSettings(path, hook, report);
  if (hook["scheme"] === "hmac") checkHmac(path, hook, report);
  if (hook["respond"] === "sync" && hook["callback"] !== undefined) {
    report(
      [...path, "callback"],
      'is not allowed here: with respond: "sync" the answer is the response, and nothing is posted',
    );
  }
}

function checkCallbacks({ config, callbacks }: Sections, report: Report): void {
  for (const [name, callback] of Object.entries(callbacks)) {
    const { url } = recordOf(callback);
    const parsed = typeof url === "string" ? URL.parse(url) : null;
    if (parsed !== null && typeof config["public_url"] === "string" && isAtOrigin(parsed, [config["public_url"]])) {
      report(["callbacks", name, "url"], "must not be this Worker itself (public_url)");
    }
  }
}

/** Reports presets with so many metadata keys that restricted callers could not add their own. */
function checkMetadata({ presets, defaults }: Sections, granted: readonly unknown[], report: Report): void {
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

/** Reports a limit in USD if some model that the caller may use has no price. */
function checkUsdLimit(
  sections: Sections,
  path: Path,
  granted: readonly unknown[],
  limits: UnknownRecord,
  report: Report,
): void {
  const mistake = limits["usd_per_day"] === undefined ? null : usdLimitMistake(sections, granted);
  if (mistake !== null) report([...path, "usd_per_day"], mistake);
}

/** Explains why a caller with these presets can't have a limit in USD; null if it can. */
function usdLimitMistake({ config, presets, defaults }: Sections, granted: readonly unknown[]): string | null {
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
}

/** Reports a preset or callback that does not exist. */
function checkName(path: Path, name: unknown, kind: "preset" | "callback", known: UnknownRecord, report: Report): void {
  if (typeof name !== "string" || Object.hasOwn(known, name)) return;
  const names = Object.keys(known);
  report(
    path,
    `names a ${kind} that is not in ${kind}s${names.length === 0 ? "" : `: use ${joinQuoted(names, "or")}`}`,
  );
}

/** Reports publishable keys that have the same value in this field as an earlier key. */
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

/** Reports settings that only hooks of other senders may have. */
function checkSenderSettings(path: Path, hook: UnknownRecord, report: Report): void {
  for (const [scheme, settings] of Object.entries(SENDER_SETTINGS)) {
    if (hook["scheme"] === scheme) continue;
    for (const key of Object.keys(settings)) {
      if (hook[key] !== undefined)
        report([...path, key], `is not allowed here: only a hook with scheme ${quote(scheme)} has it`);
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
      "is not allowed here: the template has no {timestamp}, so the time would not be signed",
    );
  }
}

type UnknownRecord = Record<string, unknown>;
const recordOf = (value: unknown): UnknownRecord =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as UnknownRecord) : {};
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
