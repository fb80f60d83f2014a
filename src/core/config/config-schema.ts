// The schema of src/config.ts: every setting with its type, its default, and the rules that concern only this setting. Rules between
// settings are in config-rules.ts. Errors are logged, so no message contains a value: a deployer may write a secret instead of its name.
import type { Answer } from "../../contract/answer.ts";
import type { JobError } from "../../contract/job.ts";
import * as z from "zod/mini";
import { type Ask, UpstreamFields } from "../../contract/ask.ts";
import { callbackMistake, endpointMistake, originMistake } from "../lib/url-rules.ts";
import { HEADER_NAME, isTransportHeader } from "../lib/http-headers.ts";

/** Names of presets, hooks, callbacks and publishable keys. They are part of paths, KV keys and log lines. */
export const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;
export const NAME_RULE = "1 to 64 of a-z, 0-9, _ and -, the first a letter or digit";

/** Secrets that no hook or callback may use, because a third party would have to know them. */
const OWN_SECRETS = new Set(["UNIAPI_KEY", "SERVER_KEYS", "ID_KEYS", "SESSION_KEYS", "TURNSTILE_SECRET"]);

/** The message for a setting that is wrong or missing. @param what continues the sentence "must be …" */
export const must = (what: string, issue: { readonly input?: unknown }): string =>
  issue.input === undefined ? `is missing: it must be ${what}` : `must be ${what}`;
const message = (what: string) => ({ error: (issue: { readonly input?: unknown }) => must(what, issue) });

const text = (what: string, pattern: RegExp) => z.string(message(what)).check(z.regex(pattern, message(what)));

/** A check with its own message. @param mistake returns the message, or null if the value is valid */
const rule = (mistake: (value: string) => string | null) =>
  z.check<string>((payload) => {
    const error = mistake(payload.value);
    if (error !== null) payload.issues.push({ code: "custom", message: error, input: payload.value, continue: true });
  });

const url = (example: string, mistake: (url: URL, written: string) => string | null) =>
  z.string(message(`a URL like "${example}"`)).check(
    rule((written) => {
      const parsed = URL.parse(written);
      return parsed === null ? `must be a URL like "${example}"` : mistake(parsed, written);
    }),
  );

const ModelName = z
  .string(message("a model name (a string)"))
  .check(z.minLength(1, message("a model name (a string)")));
const PresetName = z.string(message("the name of a preset (a string)"));
const PresetNames = z
  .array(PresetName, message("a list of names of presets"))
  .check(z.minLength(1, "must name at least one preset"));
const Count = z.int(message("a whole number above 0")).check(z.positive(message("a whole number above 0")));
const Usd = z.number(message("an amount in USD above 0")).check(z.positive(message("an amount in USD above 0")));
const UsdPerMillion = z
  .number(message("USD per million tokens"))
  .check(z.nonnegative(message("USD per million tokens, 0 or more")));
const Ttl = z
  .int(message("a whole number of seconds, at least 60"))
  .check(z.gte(60, message("a whole number of seconds, at least 60")));
const SecretName = text(
  'the NAME of a secret like "CRM_SECRET" (A-Z, 0-9 and _), never the secret itself',
  /^[A-Z][A-Z0-9_]*$/,
).check(
  rule((name) =>
    OWN_SECRETS.has(name) ? "must not be one of the Worker's own secrets: make one for this purpose" : null,
  ),
);
const HeaderName = text('the name of an HTTP header like "x-signature"', HEADER_NAME);

const PriceInput = z.strictObject({ input: UsdPerMillion, cached: z.optional(UsdPerMillion), output: UsdPerMillion });
/** Prices in USD per million tokens. `cached` is for input tokens from upstream's prompt cache; its default is `input`. */
export type Price = { input: number; cached: number; output: number };

/** The limits of one budget. An absent limit does not apply. Days are UTC days. */
export const BudgetLimits = z.strictObject({
  requests_per_minute: z.optional(Count),
  tokens_per_day: z.optional(Count),
  usd_per_day: z.optional(Usd),
});
export type BudgetLimits = z.output<typeof BudgetLimits>;

const LIMITS = {
  max_input_chars: z.optional(Count),
  max_output_tokens: z.optional(Count),
  max_context_tokens: z.optional(Count),
};
const ServerLimits = z.strictObject({ max_body_bytes: z.optional(Count), ...LIMITS });
const Limits = z.strictObject({
  max_body_bytes: z._default(Count, 262_144),
  ...LIMITS,
  server: z.optional(ServerLimits),
});
/** Limits in bytes, characters and tokens. On /v1/responses only those in `server` apply to server callers. */
export type Limits = z.output<typeof Limits>;

const AnswerCache = z.strictObject({ ttl: z._default(Ttl, 3_600), responses: z._default(z.boolean(), false) });
/** The exact-repeat cache. `ttl` is in seconds, and `responses` extends the cache to /v1/responses. */
export type AnswerCache = z.output<typeof AnswerCache>;

const Turns = z.strictObject({ ttl: z._default(Ttl, 604_800) });
/** The storage of turns in KV. `ttl` is in seconds. */
export type Turns = z.output<typeof Turns>;

const HOST = /^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?$/;
const Images = z.strictObject({
  hosts: z.array(
    text('a host name like "img.example.com": lower case, no scheme, no port', HOST),
    message("a list of host names"),
  ),
});
const PresetCache = z.strictObject({
  ttl: z.optional(Ttl),
  scope: z._default(z.enum(["owner", "shared"]), "owner"),
});
const PresetInput = z.strictObject({
  ...UpstreamFields.shape,
  fallback: z._default(z.array(ModelName, message("a list of model names")), []),
  allow: z._default(z.array(z.keyof(UpstreamFields), message("a list of names of request fields")), []),
  images: z._default(z.union([z.boolean(), Images], message("true, false or { hosts: [...] }")), false),
  max_turns: z.optional(Count),
  cache: z.optional(z.union([z.literal(false), PresetCache], message("false or { ttl, scope }"))),
});
/** A request field that a preset's `allow` can permit to restricted callers. */
export type UpstreamField = keyof UpstreamFields;
/** A preset, completed with the model and the cache of the config. */
export type Preset = UpstreamFields & {
  model: string;
  /** The models to try, in order, if upstream has no such model or no channel for it. */
  fallback: string[];
  allow: UpstreamField[];
  /** `hosts` are the permitted hosts of https images. If the list is empty, only data URLs are permitted. */
  images: false | { hosts: string[] };
  /** The longest conversation, in turns. */
  max_turns?: number | undefined;
  /** `ttl` is in seconds. With the scope `shared`, all callers of the preset share their cached answers. */
  cache: false | { ttl: number; scope: "owner" | "shared" };
};

const PublishableKey = z.strictObject({
  id: text(`a name: ${NAME_RULE}`, NAME),
  key: text('"pk_" and at least 17 letters, digits, - or _', /^pk_[A-Za-z0-9_-]{17,}$/),
  presets: PresetNames,
  per_visitor: z._default(BudgetLimits, {}),
  total: z._default(BudgetLimits, {}),
});
/** A key that may be published in a page or app. */
export type PublishableKey = z.output<typeof PublishableKey>;

const Sessions = z.strictObject({
  presets: PresetNames,
  per_user: z._default(BudgetLimits, {}),
  total: z._default(BudgetLimits, {}),
});
/** The grant of session tokens. A token's claims can only narrow it. */
export type Sessions = z.output<typeof Sessions>;

const notEmpty = (what: string) => text(what, /./);
const JwtIssuer = z.strictObject({
  issuer: notEmpty('the `iss` of its tokens, like "https://id.example.com/"'),
  audience: notEmpty("the `aud` that its tokens have for this API"),
  jwks_url: url("https://id.example.com/jwks", endpointMistake),
  azp: z.optional(
    z
      .array(notEmpty("a client id"), message("a list of client ids"))
      .check(z.minLength(1, "must name at least one client id")),
  ),
  presets: PresetNames,
  per_user: z._default(BudgetLimits, {}),
  total: z._default(BudgetLimits, {}),
});
/** An identity provider whose tokens are accepted. With `azp`, only tokens that were issued to the clients in that list are accepted. */
export type JwtIssuer = z.output<typeof JwtIssuer>;

const SESSION_TTL = "a whole number of seconds from 10 to 7200";
const TurnstileInput = z.strictObject({
  hostname: notEmpty('the host name of the page, like "app.example.com"'),
  action: z.optional(notEmpty("the `action` of the widget")),
  presets: z.optional(PresetNames),
  ttl: z._default(
    z.int(message(SESSION_TTL)).check(z.gte(10, message(SESSION_TTL)), z.lte(7_200, message(SESSION_TTL))),
    600,
  ),
  verify_url: z._default(
    url("https://example.com/siteverify", endpointMistake),
    "https://challenges.cloudflare.com/turnstile/v0/siteverify",
  ),
});
/** Sessions for visitors who solved a Turnstile widget. `ttl` is in seconds. The default of `presets` is the list in `sessions`. */
export type Turnstile = z.output<typeof TurnstileInput> & { presets: string[] };

/**
 * The event's JSON or form. Its type is `any`, as for JSON.parse, because the sender defines its shape and the config's author knows it.
 */
export type Payload = ReturnType<typeof JSON.parse>;
/** Converts an event to a question: a string, or a body of /ask. If it returns null, the event is ignored. */
export type HookInput = (event: { payload: Payload }) => HookQuestion | Promise<HookQuestion>;
export type HookQuestion = string | z.input<typeof Ask> | null;

/** The argument of `output`: the answer as /ask returns it, or the error of a job that failed permanently. */
export type HookOutcome = { payload: Payload; metadata: Record<string, string> } & (
  | { answer: Answer; error: null }
  | { answer: null; error: JobError }
);
/** The request to the callback. `path` is a path on the origin of the callback's `url`. A `body` that is not a string is sent as JSON. */
export interface CallbackRequest {
  path?: string;
  method?: string;
  headers?: Record<string, string>;
  body: unknown;
}
export type HookOutput = (outcome: HookOutcome) => CallbackRequest | Promise<CallbackRequest>;

const isFunction = (value: unknown) => typeof value === "function";

function templateMistake(template: string): string | null {
  if (!template.includes("{body}")) return "must contain {body}";
  // Any other {…} would remain in the signed text, so no signature would ever match.
  return /\{\w+\}/.test(template.replaceAll(/\{(?:body|timestamp)\}/g, ""))
    ? "must contain no other {…} than {body} and {timestamp}"
    : null;
}

/**
 * Every sender of webhooks, by the `scheme` of its hooks, with the settings that only these hooks have. SENDERS (src/hooks/senders.ts) has
 * the code of each sender, and does not compile if one is missing.
 */
export const SENDER_SETTINGS = {
  standard: {},
  github: {},
  stripe: {},
  slack: {},
  telegram: {},
  hmac: {
    header: z.optional(HeaderName),
    algorithm: z.optional(z.literal("sha256")),
    encoding: z.optional(z.enum(["hex", "base64"])),
    template: z.optional(z.string().check(rule(templateMistake))),
    timestamp_header: z.optional(HeaderName),
    id_header: z.optional(HeaderName),
  },
} satisfies Record<string, Record<string, z.ZodMiniType>>;
export type SenderName = keyof typeof SENDER_SETTINGS;
const SENDER_NAMES = Object.keys(SENDER_SETTINGS) as SenderName[];

const HookFields = z.strictObject({
  scheme: z.enum(SENDER_NAMES),
  secret_name: SecretName,
  preset: PresetName,
  ...BudgetLimits.shape,
  bots: z._default(z.boolean(), false),
  respond: z._default(z.enum(["async", "sync"]), "async"),
  input: z.optional(
    z.custom<HookInput>(isFunction, message("a function of { payload } that returns a string, an /ask body or null")),
  ),
  output: z.optional(
    z.custom<HookOutput>(
      isFunction,
      message("a function of { payload, answer, error, metadata } that returns { path?, body }"),
    ),
  ),
  callback: z.optional(z.string(message("the name of a callback (a string)"))),
  ...SENDER_SETTINGS.hmac,
});
export type HookFields = z.output<typeof HookFields>;
type HookScheme =
  | { scheme: Exclude<SenderName, "hmac"> }
  | {
      scheme: "hmac";
      header: string;
      algorithm: "sha256";
      encoding: "hex" | "base64";
      /** The form of the signed text. {body} and {timestamp} are replaced by their values. */
      template: string;
      /** Name of the header with the time in Unix seconds. It is set if and only if the template contains {timestamp}. */
      timestamp_header?: string | undefined;
      /** Name of the header with the sender's own id of a request. The id is not signed, so it is only logged. */
      id_header?: string | undefined;
    };
/** A webhook endpoint. Its limits (BudgetLimits) are not in an object of their own, but among its other settings. */
export type Hook = Omit<HookFields, "scheme" | keyof typeof SENDER_SETTINGS.hmac> & HookScheme;

const AUTH = "one of { bearer: NAME }, { header: { name, secret_name: NAME } }, { standard: NAME }";
/**
 * How a callback's receiver authenticates this Worker. `bearer`, `standard` and `secret_name` are names of secrets. With `standard`, the
 * request is signed as Standard Webhooks specifies.
 */
export type CallbackAuth =
  | { bearer: string }
  | { header: { name: string; secret_name: string } }
  | { standard: string };
const AuthHeaderName = HeaderName.check(
  rule((name) =>
    isTransportHeader(name) ? "must be a header of your own, or authorization: this one is reserved" : null,
  ),
);
const CallbackAuth = z.pipe(
  z
    .strictObject(
      {
        bearer: z.optional(SecretName),
        header: z.optional(z.strictObject({ name: AuthHeaderName, secret_name: SecretName })),
        standard: z.optional(SecretName),
      },
      { error: (issue) => (issue.code === "invalid_type" ? must(AUTH, issue) : undefined) },
    )
    .check(z.refine((auth) => Object.values(auth).filter((way) => way !== undefined).length === 1, `must be ${AUTH}`)),
  z.transform((auth) => auth as CallbackAuth),
);
const Callback = z.strictObject({
  url: url("https://crm.example.com/in", callbackMistake),
  auth: z.optional(CallbackAuth),
});
/** A receiver of answers. The schema accepts http on loopback, because ENVIRONMENT is known only at run time. */
export type Callback = z.output<typeof Callback>;

const byName = <Value extends z.ZodMiniType>(value: Value) => z._default(z.record(z.string(), value), {});

export const ConfigFields = z.strictObject({
  defaults: z._default(UpstreamFields, {}),
  models: z.optional(z.array(ModelName, message("a list of model names"))),
  limits: z._default(Limits, { max_body_bytes: 262_144 }),
  cache: z._default(z.union([z.literal(false), AnswerCache], message("false or { ttl, responses }")), {
    ttl: 3_600,
    responses: false,
  }),
  turns: z._default(z.union([z.literal(false), Turns], message("false or { ttl }")), { ttl: 604_800 }),
  continuity: z._default(z.enum(["auto", "upstream", "gateway"]), "auto"),
  presets: byName(PresetInput),
  origins: z._default(z.array(url("https://app.example.com", originMistake), message("a list of origins")), []),
  callers: z._default(
    z.strictObject({
      publishable: z._default(z.array(PublishableKey), []),
      sessions: z.optional(Sessions),
      jwt: z._default(z.array(JwtIssuer), []),
      turnstile: z.optional(TurnstileInput),
    }),
    { publishable: [], jwt: [] },
  ),
  hooks: byName(HookFields),
  callbacks: byName(Callback),
  prices: byName(PriceInput),
  public_url: z.optional(
    url("https://ask.example.com", (parsed, written) =>
      parsed.protocol === "https:" ? originMistake(parsed, written) : "must begin with https://",
    ),
  ),
  console: z._default(z.boolean(), false),
});
export type ConfigFields = z.output<typeof ConfigFields>;
/** The settings as a deployer writes them in src/config.ts. */
export type ConfigInput = z.input<typeof ConfigFields>;

/** The config with all defaults, frozen. Its records by name have no prototype, so that a name such as "constructor" finds nothing. */
export interface Config {
  /** Request fields that apply if neither the request nor the preset sets them. */
  readonly defaults: UpstreamFields;
  /** The models that callers may name; undefined if they may name any. The models of presets need not be listed. */
  readonly models: string[] | undefined;
  readonly limits: Limits;
  readonly cache: false | AnswerCache;
  readonly turns: false | Turns;
  readonly continuity: "auto" | "upstream" | "gateway";
  readonly presets: Record<string, Preset>;
  readonly origins: string[];
  readonly callers: {
    readonly publishable: PublishableKey[];
    readonly sessions: Sessions | undefined;
    readonly jwt: JwtIssuer[];
    readonly turnstile: Turnstile | undefined;
  };
  readonly hooks: Record<string, Hook>;
  readonly callbacks: Record<string, Callback>;
  readonly prices: Record<string, Price>;
  /** An https origin. */
  readonly public_url: string | undefined;
  readonly console: boolean;
}
