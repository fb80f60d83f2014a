import { expect, test } from "vitest";
import { type ConfigInput, defineConfig } from "../../src/core/config/define-config.ts";
import { sessionKeysOf } from "../../src/core/config/session-keys.ts";
import { unsafeSettings } from "../../src/core/config/unsafe-settings.ts";

const GOOD_KEY = `k1:${"x".repeat(32)}`;
const presets = { support: { model: "m" } };
const total = { tokens_per_day: 1 };
const publishable = { id: "site", key: `pk_${"x".repeat(20)}`, presets: ["support"], total };
const sessions = { presets: ["support"], total };
const turnstile = { hostname: "app.example.com" };
const safe: ConfigInput = {
  presets,
  origins: ["https://app.example.com"],
  callers: { publishable: [publishable], sessions, turnstile },
};

const said = (config: ConfigInput, keys = GOOD_KEY, secret = true): string[] =>
  unsafeSettings(defineConfig(config), sessionKeysOf(keys), () => secret);
const hook = { scheme: "github", secret_name: "GITHUB_WEBHOOK_SECRET", preset: "support", tokens_per_day: 9 } as const;

test("safe settings, and a Worker for server keys alone, say nothing", () => {
  expect(said(safe)).toEqual([]);
  expect(said({}, "", false)).toEqual([]);
});

test.each<[string, string[], string[]]>([
  [
    "publishable_without_total",
    said({ ...safe, callers: { publishable: [{ ...publishable, total: { requests_per_minute: 5 } }] } }),
    ['"site"', "callers.publishable[0]", "total:"],
  ],
  [
    "turnstile_without_total",
    said({ ...safe, callers: { sessions: { presets: ["support"] }, turnstile } }),
    ["callers.sessions"],
  ],
  [
    "jwt_without_total",
    said({
      ...safe,
      callers: {
        jwt: [
          {
            issuer: "https://id.example.com/",
            audience: "app",
            jwks_url: "https://id.example.com/jwks",
            presets: ["support"],
          },
        ],
      },
    }),
    ["callers.jwt[0]", "total:"],
  ],
  [
    "origins_missing",
    said({ ...safe, origins: [] }),
    ["callers.publishable, callers.sessions, callers.turnstile", "origins: ["],
  ],
  ["session_key_short", said(safe, `${GOOD_KEY},short:${"y".repeat(31)}`), ['"short"', "31 bytes", "SESSION_KEYS"]],
  ["session_keys_missing", said(safe, ""), ["SESSION_KEYS"]],
  [
    "hook_without_budget",
    said({ ...safe, hooks: { triage: { ...hook, tokens_per_day: undefined } } }),
    ["hooks.triage", "usd_per_day"],
  ],
  [
    "hook_secret_missing",
    said({ presets, hooks: { triage: hook } }, "", false),
    ["hooks.triage", "GITHUB_WEBHOOK_SECRET"],
  ],
  [
    "callback_secret_missing",
    said(
      {
        callbacks: {
          crm: { url: "https://crm.example.com", auth: { header: { name: "x-key", secret_name: "CRM_KEY" } } },
        },
      },
      "",
      false,
    ),
    ["callbacks.crm", "CRM_KEY"],
  ],
  ["turnstile_secret_missing", said(safe, GOOD_KEY, false), ["TURNSTILE_SECRET"]],
])("%s is one line that says what to change", (name, lines, parts) => {
  expect(lines).toEqual([expect.stringMatching(new RegExp(`^${name}: `))]);
  for (const part of parts) expect(lines[0]).toContain(part);
  expect(lines[0]).not.toMatch(/yyy|xxx/);
});

test("what may be secret is counted in bytes, as it is used", () => {
  expect(said(safe, `k:${"é".repeat(16)}`)).toEqual([]);
  expect(said(safe, `k:${"é".repeat(15)}`)).toHaveLength(1);
});

test.each(["secret", "k1:", ":secret", "k 1:secret", "k1:two words", "k1:a,k1:b"])(
  "%j is no SESSION_KEYS, and the mistake does not show it",
  (value) => {
    expect(() => sessionKeysOf(value)).toThrow(
      expect.objectContaining({
        code: "misconfigured",
        message: expect.stringMatching(/setting SESSION_KEYS (?!.*words)/) as string,
      }),
    );
  },
);
