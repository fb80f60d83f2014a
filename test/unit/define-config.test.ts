// The settings of src/config.ts, their defaults, and the message for each mistake.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UpstreamFields } from "../../src/contract/ask.ts";
import { ConfigError, defineConfig, type ConfigInput } from "../../src/core/config/define-config.ts";
import { SENDER_SETTINGS } from "../../src/core/config/config-schema.ts";
import { configSample } from "../fixtures/config-sample.ts";

/** The messages for a config, without the file's name. TypeScript would refuse some of these configs, too. */
function mistakes(config: unknown): string[] {
  try {
    defineConfig(config as ConfigInput);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.message).toBe(error.mistakes.join("\n"));
    return error.mistakes.map((mistake) => {
      expect(mistake).toMatch(/^src\/config\.ts: [^\n]+$/);
      return mistake.slice("src/config.ts: ".length);
    });
  }
  return [];
}

/** "a", "b" or "c" */
const oneOf = (words: readonly string[]): string =>
  words
    .map((word) => `"${word}"`)
    .join(", ")
    .replace(/, (?=[^,]*$)/, " or ");

const model = "gpt-6-sol";
const presets = { support: { model } };
const prices = { [model]: { input: 2, output: 10 } };
const hook = { scheme: "github", secret_name: "HOOK_SECRET", preset: "support" };
const site = { id: "site", key: "pk_0123456789abcdefghij", presets: ["support"] };
const withHook = (settings: object) => ({ presets, hooks: { h: { ...hook, ...settings } } });
const withKey = (settings: object) => ({ presets, callers: { publishable: [{ ...site, ...settings }] } });
const withCallback = (settings: object) => ({ callbacks: { crm: { url: "https://crm.example.com", ...settings } } });
const jwt = {
  issuer: "https://id.example.com/",
  audience: "app",
  jwks_url: "https://id.example.com/jwks",
  presets: ["support"],
};
const withTurnstile = (settings: object) => ({
  presets: { support: { model }, sales: { model } },
  callers: { sessions: { presets: ["support"] }, turnstile: { hostname: "app.example.com", ...settings } },
});

describe("a complete config", () => {
  test("the sample of docs/contract.md is accepted", () => {
    const config = defineConfig(configSample);
    expect(config).toMatchObject({
      ...configSample,
      presets: { support: { ...configSample.presets.support, images: { hosts: [] } } },
    });
    expect(config.callers.turnstile?.verify_url).toBe("https://challenges.cloudflare.com/turnstile/v0/siteverify");
  });

  test("the settings that the sample lacks are accepted", () => {
    const settings = {
      limits: {
        server: { max_body_bytes: 1_000_000, max_input_chars: 5, max_output_tokens: 5, max_context_tokens: 5 },
      },
      cache: { ttl: 60, responses: true },
      turns: false,
      continuity: "upstream",
      presets: { support: { model, images: { hosts: ["img.example.com"] }, allow: ["model", "tools"], cache: false } },
      models: [model],
      prices: { [model]: { input: 0, output: 0.5 } },
      origins: ["https://app.example.com:8443", "http://localhost:5173", "http://127.0.0.1", "http://[::1]:3000"],
      callers: {
        publishable: [{ ...site, per_visitor: { usd_per_day: 0.5 } }],
        sessions: { presets: ["support"] },
        jwt: [{ ...jwt, azp: ["web"], total: { requests_per_minute: 5 } }],
        turnstile: { hostname: "app.example.com", verify_url: "http://localhost:9999/verify" },
      },
      hooks: {
        shop: {
          ...hook,
          scheme: "hmac",
          header: "x-shop-hmac",
          encoding: "base64",
          id_header: "x-shop-id",
          bots: true,
          respond: "sync",
        },
        stripe: {
          ...hook,
          scheme: "stripe",
          tokens_per_day: 5,
          usd_per_day: 1,
          input: async () => "a question",
          callback: "own",
        },
      },
      callbacks: {
        own: { url: "https://in.example.com/x", auth: { header: { name: "x-api-key", secret_name: "OWN_KEY" } } },
        open: { url: "http://127.0.0.1:4000/in" },
      },
      console: true,
    } satisfies ConfigInput;
    expect(mistakes(settings)).toEqual([]);
  });
});

describe("defaults", () => {
  test("the shipped config gets the documented defaults", () => {
    expect(defineConfig({ defaults: { model: "gpt-6-luna" } })).toEqual({
      defaults: { model: "gpt-6-luna" },
      limits: { max_body_bytes: 262_144 },
      cache: { ttl: 3_600, responses: false },
      turns: { ttl: 604_800 },
      continuity: "auto",
      presets: {},
      origins: [],
      callers: { publishable: [], jwt: [] },
      hooks: {},
      callbacks: {},
      prices: {},
      console: false,
    });
  });

  test("an empty group of settings is the same as an absent one", () => {
    expect(defineConfig({ limits: {}, cache: {}, turns: {}, callers: {} })).toEqual(defineConfig({}));
  });

  test("a preset has the default model and the general cache, per owner, unless it sets its own", () => {
    const { presets } = defineConfig({
      defaults: { model },
      cache: { ttl: 100 },
      presets: { plain: {}, off: { cache: false }, shared: { model: "other", cache: { scope: "shared" } } },
    });
    expect(presets["plain"]).toEqual({
      model,
      fallback: [],
      allow: [],
      images: false,
      cache: { ttl: 100, scope: "owner" },
    });
    expect(presets["off"]?.cache).toBe(false);
    expect(presets["shared"]).toMatchObject({ model: "other", cache: { ttl: 100, scope: "shared" } });
  });

  test("a preset may have a cache even if the config has none", () => {
    const { presets } = defineConfig({
      defaults: { model },
      cache: false,
      presets: { plain: {}, faq: { cache: { scope: "shared" } } },
    });
    expect(presets["plain"]?.cache).toBe(false);
    expect(presets["faq"]?.cache).toEqual({ ttl: 3_600, scope: "shared" });
  });

  test("a caller without limits has empty limits, and Turnstile's presets are those of sessions", () => {
    const { callers } = defineConfig({
      ...withTurnstile({}),
      callers: { ...withTurnstile({}).callers, publishable: [site], jwt: [jwt] },
    } as ConfigInput);
    expect(callers.publishable[0]).toEqual({ ...site, per_visitor: {}, total: {} });
    expect(callers.jwt[0]).toEqual({ ...jwt, per_user: {}, total: {} });
    expect(callers.sessions).toEqual({ presets: ["support"], per_user: {}, total: {} });
    expect(callers.turnstile).toMatchObject({ presets: ["support"], ttl: 600 });
  });

  test("a hook is asynchronous and ignores bots; only one with scheme hmac has the hmac settings", () => {
    const { hooks } = defineConfig({
      presets,
      hooks: { plain: { ...hook, scheme: "github" }, shop: { ...hook, scheme: "hmac", header: "x-hmac" } },
    });
    expect(hooks["plain"]).toEqual({ ...hook, bots: false, respond: "async" });
    expect(hooks["shop"]).toMatchObject({ header: "x-hmac", algorithm: "sha256", encoding: "hex", template: "{body}" });
    const dated = { header: "x-hmac", template: "{timestamp}.{body}", timestamp_header: "x-time" };
    expect(defineConfig({ presets, hooks: { h: { ...hook, scheme: "hmac", ...dated } } }).hooks["h"]).toMatchObject(
      dated,
    );
  });

  test("cached input costs as much as input unless it has a price", () => {
    expect(defineConfig({ prices }).prices).toEqual({ [model]: { input: 2, cached: 2, output: 10 } });
  });

  test("a setting that is undefined doesn't hide a default", () => {
    const config = defineConfig({
      defaults: { model, temperature: 1 },
      presets: { plain: { temperature: undefined, model: undefined } },
    });
    expect({ ...config.defaults, ...config.presets["plain"] }).toMatchObject({ model, temperature: 1 });
  });
});

describe("the resulting config", () => {
  test("can't be changed by a request, and does not freeze the deployer's objects", () => {
    const schema = { properties: {} };
    const config = defineConfig({ presets: { p: { model, tools: [{ type: "function", parameters: schema }] } } });
    const tool = config.presets["p"]?.tools?.[0];
    for (const part of [
      config,
      config.limits,
      config.presets,
      config.presets["p"],
      tool,
      tool?.["parameters"],
      config.origins,
    ]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
    expect(Object.isFrozen(schema)).toBe(false);
  });

  test("has no preset, hook, callback or price that the input lacks", () => {
    const config = defineConfig(configSample);
    for (const named of [config.presets, config.hooks, config.callbacks, config.prices]) {
      for (const name of ["constructor", "__proto__", "toString"]) expect(named[name]).toBeUndefined();
    }
  });
});

const TOP_LEVEL =
  "defaults, models, limits, cache, turns, continuity, presets, origins, callers, hooks, callbacks, prices, public_url, console";
const UPSTREAM = Object.keys(UpstreamFields.shape).join(", ");

const unknownKeys: [what: string, config: unknown, line: string][] = [
  ["at the top", { preset: {} }, `preset: is not a setting: remove it, or use one of ${TOP_LEVEL}`],
  [
    "in a group",
    { callers: { oauth: {} } },
    "callers.oauth: is not a setting: remove it, or use one of publishable, sessions, jwt, turnstile",
  ],
  [
    "in a preset",
    { presets: { p: { model, fallbck: [] } } },
    `presets.p.fallbck: is not a setting: remove it, or use one of ${UPSTREAM}, fallback, allow, images, max_turns, cache`,
  ],
  [
    "in defaults",
    { defaults: { modle: "m" } },
    `defaults.modle: is not a setting: remove it, or use one of ${UPSTREAM}`,
  ],
  [
    "within one form of two",
    { cache: { tll: 60 } },
    "cache.tll: is not a setting: remove it, or use one of ttl, responses",
  ],
  [
    "in a list",
    withKey({ origin: "x" }),
    "callers.publishable[0].origin: is not a setting: remove it, or use one of id, key, presets, per_visitor, total",
  ],
  [
    "that must be quoted",
    { limits: { "max body": 1 } },
    'limits["max body"]: is not a setting: remove it, or use one of max_body_bytes, max_input_chars, max_output_tokens, max_context_tokens, server',
  ],
  [
    "named __proto__",
    JSON.parse('{"turns":{"__proto__":1}}'),
    "turns.__proto__: is not a setting: remove it, or use one of ttl",
  ],
];

const forms: typeof unknownKeys = [
  ["a string", "gpt", "must be an object"],
  ["undefined", undefined, "is missing: it must be an object"],
  ["a model that is not a string", { defaults: { model: 4 } }, "defaults.model: must be a string"],
  ["an empty model", { defaults: { model: "" } }, "defaults.model: must not be empty"],
  ["a long model", { defaults: { model: "m".repeat(257) } }, "defaults.model: must be at most 256 characters long"],
  [
    "a fallback that is not a string",
    { presets: { support: { model, fallback: [3] } } },
    "presets.support.fallback[0]: must be a model name (a string)",
  ],
  [
    "fallback without a list",
    { presets: { p: { model, fallback: "m" } } },
    "presets.p.fallback: must be a list of model names",
  ],
  [
    "a fraction of a token",
    { defaults: { max_output_tokens: 1.5 } },
    "defaults.max_output_tokens: must be a whole number",
  ],
  ["no tokens", { defaults: { max_output_tokens: 0 } }, "defaults.max_output_tokens: must be above 0"],
  [
    "a negative count of log probabilities",
    { defaults: { top_logprobs: -1 } },
    "defaults.top_logprobs: must be at least 0",
  ],
  ["a tool without a type", { defaults: { tools: [{}] } }, "defaults.tools[0].type: is missing: it must be a string"],
  [
    "a tool choice of a wrong type",
    { defaults: { tool_choice: 1 } },
    "defaults.tool_choice: must be a string or an object",
  ],
  ["reasoning in the short form", { defaults: { reasoning: "low" } }, "defaults.reasoning: must be an object"],
  ["a model without a name", { models: [""] }, "models[0]: must be a model name (a string)"],
  ["a limit of zero", { limits: { max_body_bytes: 0 } }, "limits.max_body_bytes: must be a whole number above 0"],
  ["a short cache", { cache: { ttl: 59 } }, "cache.ttl: must be a whole number of seconds, at least 60"],
  ["cache: true", { cache: true }, "cache: must be false or { ttl, responses }"],
  [
    "a ttl of turns of less than a second",
    { turns: { ttl: 60.5 } },
    "turns.ttl: must be a whole number of seconds, at least 60",
  ],
  ["turns: null", { turns: null }, "turns: must be false or { ttl }"],
  ["an unknown continuity", { continuity: "Auto" }, 'continuity: must be "auto", "upstream" or "gateway"'],
  [
    "images of a wrong type",
    { presets: { p: { model, images: "yes" } } },
    "presets.p.images: must be true, false or { hosts: [...] }",
  ],
  [
    "an image host that is a URL",
    { presets: { p: { model, images: { hosts: ["https://img.example.com"] } } } },
    'presets.p.images.hosts[0]: must be a host name like "img.example.com": lower case, no scheme, no port',
  ],
  [
    "an unknown cache scope",
    { presets: { p: { model, cache: { ttl: 60, scope: "all" } } } },
    'presets.p.cache.scope: must be "owner" or "shared"',
  ],
  [
    "max_turns of a wrong type",
    { presets: { p: { model, max_turns: "40" } } },
    "presets.p.max_turns: must be a whole number above 0",
  ],
  [
    "a short publishable key",
    withKey({ key: "pk_short" }),
    'callers.publishable[0].key: must be "pk_" and at least 17 letters, digits, - or _',
  ],
  [
    "a server key as a publishable key",
    withKey({ key: "sk_0123456789abcdefghij" }),
    'callers.publishable[0].key: must be "pk_" and at least 17 letters, digits, - or _',
  ],
  [
    "a publishable key without presets",
    withKey({ presets: [] }),
    "callers.publishable[0].presets: must name at least one preset",
  ],
  [
    "a budget of zero",
    { ...withKey({ total: { usd_per_day: 0 } }), prices },
    "callers.publishable[0].total.usd_per_day: must be an amount in USD above 0",
  ],
  [
    "a JWKS without https",
    { presets, callers: { jwt: [{ ...jwt, jwks_url: "http://id.example.com" }] } },
    "callers.jwt[0].jwks_url: must begin with https:// (http:// only for localhost, 127.0.0.1 or [::1])",
  ],
  [
    "an azp that is not a list",
    { presets, callers: { jwt: [{ ...jwt, azp: "web" }] } },
    "callers.jwt[0].azp: must be a list of client ids",
  ],
  [
    "a Turnstile session of a day",
    withTurnstile({ ttl: 86_400 }),
    "callers.turnstile.ttl: must be a whole number of seconds from 10 to 7200",
  ],
  [
    "an unknown scheme",
    withHook({ scheme: "githb" }),
    `hooks.h.scheme: must be ${oneOf(Object.keys(SENDER_SETTINGS))}`,
  ],
  [
    "a secret instead of its name",
    withHook({ secret_name: "whsec_abc" }),
    'hooks.h.secret_name: must be the NAME of a secret like "CRM_SECRET" (A-Z, 0-9 and _), never the secret itself',
  ],
  [
    "the Worker's key as a hook's secret",
    withHook({ secret_name: "UNIAPI_KEY" }),
    "hooks.h.secret_name: must not be one of the Worker's own secrets: make one for this purpose",
  ],
  [
    "an input that is not a function",
    withHook({ input: "body" }),
    "hooks.h.input: must be a function of { payload } that returns a string, an /ask body or null",
  ],
  [
    "an outdated hmac algorithm",
    withHook({ scheme: "hmac", header: "x", algorithm: "sha1" }),
    'hooks.h.algorithm: must be "sha256"',
  ],
  [
    "an hmac template without the body",
    withHook({ scheme: "hmac", header: "x", template: "body" }),
    "hooks.h.template: must contain {body}",
  ],
  [
    "an hmac template with an unknown placeholder",
    withHook({ scheme: "hmac", header: "x", template: "{id}.{body}" }),
    "hooks.h.template: must contain no other {…} than {body} and {timestamp}",
  ],
  [
    "a header with a space",
    withHook({ scheme: "hmac", header: "x y" }),
    'hooks.h.header: must be the name of an HTTP header like "x-signature"',
  ],
  [
    "auth without a kind",
    withCallback({ auth: {} }),
    "callbacks.crm.auth: must be one of { bearer: NAME }, { header: { name, secret_name: NAME } }, { standard: NAME }",
  ],
  [
    "auth of two kinds",
    withCallback({ auth: { bearer: "A", standard: "B" } }),
    "callbacks.crm.auth: must be one of { bearer: NAME }, { header: { name, secret_name: NAME } }, { standard: NAME }",
  ],
  [
    "auth that is a string",
    withCallback({ auth: "TOKEN" }),
    "callbacks.crm.auth: must be one of { bearer: NAME }, { header: { name, secret_name: NAME } }, { standard: NAME }",
  ],
  [
    "an unknown kind of auth",
    withCallback({ auth: { bearer: "A", basic: "B" } }),
    "callbacks.crm.auth.basic: is not a setting: remove it, or use one of bearer, header, standard",
  ],
  [
    "a negative price",
    { prices: { "gpt-6-sol": { input: -1, output: 1 } } },
    'prices["gpt-6-sol"].input: must be USD per million tokens, 0 or more',
  ],
  [
    "a price without output",
    { prices: { m: { input: 1 } } },
    "prices.m.output: is missing: it must be USD per million tokens",
  ],
  [
    "public_url with a path",
    { public_url: "https://ask.example.com/" },
    'public_url: must be an exact origin: write "https://ask.example.com"',
  ],
  ["public_url on http", { public_url: "http://localhost" }, "public_url: must begin with https://"],
  ["console of a wrong type", { console: "on" }, "console: must be true or false"],
];

const together: typeof unknownKeys = [
  [
    "a bad name of a preset",
    { presets: { "My Preset": { model } } },
    'presets["My Preset"]: is not a valid name: use 1 to 64 of a-z, 0-9, _ and -, the first a letter or digit',
  ],
  [
    "a bad name of a hook",
    { presets, hooks: { "-h": hook } },
    'hooks["-h"]: is not a valid name: use 1 to 64 of a-z, 0-9, _ and -, the first a letter or digit',
  ],
  [
    "a bad name of a callback",
    { callbacks: { CRM: { url: "https://crm.example.com" } } },
    "callbacks.CRM: is not a valid name: use 1 to 64 of a-z, 0-9, _ and -, the first a letter or digit",
  ],
  [
    "a preset without any model",
    { presets: { support: {} } },
    "presets.support: has no model: give it one here or in defaults.model",
  ],
  [
    "replay without turns",
    { continuity: "gateway", turns: false },
    'continuity: must not be "gateway" while turns is false: there would be no turns to replay',
  ],
  [
    "a caller's unknown preset",
    withKey({ presets: ["support", "suport"] }),
    'callers.publishable[0].presets[1]: names a preset that is not in presets: use "support"',
  ],
  [
    "a preset with a name from Object's prototype",
    withKey({ presets: ["constructor"] }),
    'callers.publishable[0].presets[0]: names a preset that is not in presets: use "support"',
  ],
  [
    "a hook's unknown preset",
    withHook({ preset: "other" }),
    'hooks.h.preset: names a preset that is not in presets: use "support"',
  ],
  [
    "a hook's unknown callback",
    withHook({ callback: "crm" }),
    "hooks.h.callback: names a callback that is not in callbacks",
  ],
  [
    "a callback of a hook whose sender waits",
    { ...withHook({ respond: "sync", callback: "crm" }), callbacks: { crm: { url: "https://crm.example.com/in" } } },
    'hooks.h.callback: is not allowed here: with respond: "sync" the answer is the response, and nothing is posted',
  ],
  [
    "Turnstile without sessions",
    { presets, callers: { turnstile: { hostname: "a.example" } } },
    "callers.turnstile: needs callers.sessions, whose limits apply to its sessions: add it",
  ],
  [
    "Turnstile with more than sessions",
    withTurnstile({ presets: ["sales"] }),
    "callers.turnstile.presets[0]: must be one of callers.sessions.presets too: a session can't do more than those",
  ],
  [
    "two keys with one id",
    { presets, callers: { publishable: [site, { ...site, key: `${site.key}2` }] } },
    "callers.publishable[1].id: must differ from callers.publishable[0].id",
  ],
  [
    "one key twice",
    { presets, callers: { publishable: [site, { ...site, id: "b" }] } },
    "callers.publishable[1].key: must differ from callers.publishable[0].key",
  ],
  [
    "hmac without its header",
    withHook({ scheme: "hmac" }),
    'hooks.h.header: is missing: scheme "hmac" needs the name of the header with the signature',
  ],
  [
    "an hmac time without its header",
    withHook({ scheme: "hmac", header: "x", template: "{timestamp}.{body}" }),
    "hooks.h.timestamp_header: is missing: a template with {timestamp} needs the name of the header with the time",
  ],
  [
    "an hmac time that is not signed",
    withHook({ scheme: "hmac", header: "x", timestamp_header: "x-time" }),
    "hooks.h.timestamp_header: is not allowed here: the template has no {timestamp}, so the time would not be signed",
  ],
  [
    "an hmac setting in another hook",
    withHook({ template: "{body}" }),
    'hooks.h.template: is not allowed here: only a hook with scheme "hmac" has it',
  ],
  [
    "a callback to the Worker",
    { ...withCallback({ url: "https://ask.example.com/hooks/h" }), public_url: "https://ask.example.com" },
    "callbacks.crm.url: must not be this Worker itself (public_url)",
  ],
  [
    "a budget in USD without a price",
    withKey({ total: { usd_per_day: 1 } }),
    'callers.publishable[0].total.usd_per_day: needs the price of "gpt-6-sol": add it to prices',
  ],
  [
    "a budget in USD without the fallback's price",
    {
      presets: { p: { model, fallback: ["b", "constructor"] } },
      prices,
      callers: { sessions: { presets: ["p"], per_user: { usd_per_day: 1 } } },
    },
    'callers.sessions.per_user.usd_per_day: needs the price of "b" and "constructor": add it to prices',
  ],
  [
    "a budget in USD without the default model's price",
    { defaults: { model }, presets: { p: {} }, hooks: { h: { ...hook, preset: "p", usd_per_day: 1 } } },
    'hooks.h.usd_per_day: needs the price of "gpt-6-sol": add it to prices',
  ],
  [
    "a budget in USD if callers may choose among unpriced models",
    {
      models: ["a"],
      presets: { p: { model, allow: ["model"] } },
      prices,
      callers: { jwt: [{ ...jwt, presets: ["p"], total: { usd_per_day: 1 } }] },
    },
    'callers.jwt[0].total.usd_per_day: needs the price of "a": add it to prices',
  ],
  [
    "a budget in USD if callers may choose any model",
    {
      presets: { p: { model, allow: ["model"] } },
      prices,
      callers: { sessions: { presets: ["p"], total: { usd_per_day: 1 } } },
    },
    'callers.sessions.total.usd_per_day: needs the list `models`: preset "p" lets callers name any model, and not all have a price',
  ],
];

const HTTPS = "must begin with https:// (http:// only for localhost, 127.0.0.1 or [::1])";
const NOT_IP = "must have a host name, not an IP address";
const PUBLIC = "must have a public host name: no bare name, no localhost, .local or .internal";
const PORT = "must use port 443: leave the port out";
const USERINFO = "must not hold a user name or password";

describe("a mistake gets a message with its path and its remedy", () => {
  test.each(unknownKeys)("an unknown key %s", (_, config, line) => expect(mistakes(config)).toEqual([line]));
  test.each(forms)("%s", (_, config, line) => expect(mistakes(config)).toEqual([line]));
  test.each(together)("%s", (_, config, line) => expect(mistakes(config)).toEqual([line]));

  test("metadata that a restricted caller does not see has at most 8 keys, in its preset or in defaults", () => {
    const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, "x"]));
    const config = (metadata: object, callers: object) => ({ presets: { support: { model, metadata } }, ...callers });
    const sentence = "must have at most 8 keys: UniAPI accepts 16, and callers of the preset may add 8 of their own";
    for (const callers of [
      { callers: { publishable: [site] } },
      { callers: { sessions: { presets: ["support"] } } },
      { callers: { jwt: [jwt] } },
      { hooks: { h: hook } },
    ]) {
      expect(mistakes(config(keys(8), callers))).toEqual([]);
      expect(mistakes(config(keys(9), callers))).toEqual([`presets.support.metadata: ${sentence}`]);
    }
    expect(mistakes({ presets, defaults: { metadata: keys(9) }, hooks: { h: hook } })).toEqual([
      `defaults.metadata: ${sentence}`,
    ]);
    expect(mistakes(config(keys(16), {}))).toEqual([]);
  });

  test("`allow` lists the request fields", () => {
    const [line] = mistakes({ presets: { p: { model, allow: ["temprature"] } } });
    expect(line).toMatch(/^presets\.p\.allow\[0\]: must be "model", .*"temperature".* or "\w+"$/);
    expect(mistakes({ presets: { p: { model, allow: ["input"] } } })).toHaveLength(1);
  });

  test.each([
    ["https://app.example.com/", 'must be an exact origin: write "https://app.example.com"'],
    ["https://app.example.com/chat", 'must be an exact origin: write "https://app.example.com"'],
    ["https://App.example.com:443", 'must be an exact origin: write "https://app.example.com"'],
    ["https://*.example.com", "must be one exact origin: * is not supported, so list each origin"],
    ["*", 'must be a URL like "https://app.example.com"'],
    ["http://app.example.com", HTTPS],
    ["null", 'must be a URL like "https://app.example.com"'],
  ])("the origin %s", (origin, sentence) =>
    expect(mistakes({ origins: [origin] })).toEqual([`origins[0]: ${sentence}`]),
  );

  test.each([
    ["crm.example.com", 'must be a URL like "https://crm.example.com/in"'],
    ["http://crm.example.com", HTTPS],
    ["ftp://crm.example.com", HTTPS],
    ["https://me:secret@crm.example.com", USERINFO],
    ["http://me@localhost", USERINFO],
    ["https://crm.example.com:8443", PORT],
    ["https://10.0.0.1", NOT_IP],
    ["https://0x7f.1", NOT_IP],
    ["https://2130706433/", NOT_IP],
    ["https://0177.0.0.1", NOT_IP],
    ["https://１２７.0.0.1", NOT_IP],
    ["https://127.0.0.1.", NOT_IP],
    ["https://[::ffff:7f00:1]", NOT_IP],
    ["https://localhost", PUBLIC],
    ["https://localhost.", PUBLIC],
    ["https://crm", PUBLIC],
    ["https://a.localhost", PUBLIC],
    ["https://printer.local", PUBLIC],
    ["https://METADATA.google.internal.", PUBLIC],
  ])("the callback %s", (url, sentence) =>
    expect(mistakes(withCallback({ url }))).toEqual([`callbacks.crm.url: ${sentence}`]),
  );

  test("all mistakes are listed in one message, one per line: wrong types and conflicts between settings", () => {
    expect(
      mistakes({
        modles: [],
        turns: { ttl: 1 },
        presets: { p: { temperature: "hot" } },
        hooks: { h: { ...hook, bots: 1 } },
      }),
    ).toEqual([
      "turns.ttl: must be a whole number of seconds, at least 60",
      "presets.p.temperature: must be a number",
      "hooks.h.bots: must be true or false",
      `modles: is not a setting: remove it, or use one of ${TOP_LEVEL}`,
      "presets.p: has no model: give it one here or in defaults.model",
      'hooks.h.preset: names a preset that is not in presets: use "p"',
    ]);
  });

  test("no message contains a value, which may be a secret in the wrong place, other than a model's name", () => {
    const secret = "whsec_canary_0123456789";
    const everywhere = (value: unknown): unknown =>
      typeof value === "object" && value !== null
        ? Array.isArray(value)
          ? value.map(everywhere)
          : Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, everywhere(inner)]))
        : secret;
    const lines = mistakes(everywhere(configSample));
    expect(lines.length).toBeGreaterThan(20);
    expect(lines.filter((line) => line.includes(secret) && !line.includes("price of"))).toEqual([]);
  });
});

describe("any input", () => {
  const keys = [
    "defaults",
    "models",
    "limits",
    "cache",
    "turns",
    "presets",
    "callers",
    "hooks",
    "callbacks",
    "prices",
    "origins",
    "continuity",
    "public_url",
  ];
  const words = fc.constantFrom(
    ...keys,
    "model",
    "publishable",
    "sessions",
    "jwt",
    "turnstile",
    "allow",
    "usd_per_day",
    "total",
    "scheme",
    "hmac",
    "url",
    "https://a.b",
    "auth",
    "bearer",
    "__proto__",
    "constructor",
    "",
  );
  const { shaped } = fc.letrec((tie) => ({
    shaped: fc.oneof(
      { maxDepth: 6 },
      words,
      fc.jsonValue(),
      fc.dictionary(words, tie("shaped")),
      fc.array(tie("shaped"), { maxLength: 3 }),
    ),
  }));

  test("results in a config or a ConfigError", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.jsonValue(), shaped, fc.dictionary(fc.constantFrom(...keys), shaped)),
        (config) => void mistakes(config),
      ),
      { numRuns: 500, examples: [[{ presets: { p: { allow: [Object.create(null)] } } }]] },
    );
  });
});
