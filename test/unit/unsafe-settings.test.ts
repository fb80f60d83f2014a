// The warnings about unsafe settings.
import { expect, test } from "vitest";
import { type ConfigInput, defineConfig } from "../../src/core/config/define-config.ts";
import { unsafeSettings } from "../../src/core/config/unsafe-settings.ts";
import { sessionKeysOf } from "../../src/core/config/vars.ts";

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

const warnings = (config: ConfigInput, keys = GOOD_KEY, secret = true): string[] =>
  unsafeSettings(defineConfig(config), sessionKeysOf(keys), () => secret);
const hook = { scheme: "github", secret_name: "GITHUB_WEBHOOK_SECRET", preset: "support", tokens_per_day: 9 } as const;

test("safe settings give no warnings, and neither does a Worker for server keys only", () => {
  expect(warnings(safe)).toEqual([]);
  expect(warnings({}, "", false)).toEqual([]);
});

test.each<[string, string[], string[]]>([
  [
    "publishable_without_total",
    warnings({ ...safe, callers: { publishable: [{ ...publishable, total: { requests_per_minute: 5 } }] } }),
    ['"site"', "callers.publishable[0]", "total:"],
  ],
  [
    "turnstile_without_total",
    warnings({ ...safe, callers: { sessions: { presets: ["support"] }, turnstile } }),
    ["callers.sessions"],
  ],
  [
    "jwt_without_total",
    warnings({
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
    warnings({ ...safe, origins: [] }),
    ["callers.publishable, callers.sessions, callers.turnstile", "origins: ["],
  ],
  ["session_key_short", warnings(safe, `${GOOD_KEY},short:${"y".repeat(31)}`), ['"short"', "31 bytes", "SESSION_KEYS"]],
  ["session_keys_missing", warnings(safe, ""), ["SESSION_KEYS"]],
  [
    "hook_without_budget",
    warnings({ ...safe, hooks: { triage: { ...hook, tokens_per_day: undefined } } }),
    ["hooks.triage", "usd_per_day"],
  ],
  [
    "hook_secret_missing",
    warnings({ presets, hooks: { triage: hook } }, "", false),
    ["hooks.triage", "GITHUB_WEBHOOK_SECRET"],
  ],
  [
    "callback_secret_missing",
    warnings(
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
  ["turnstile_secret_missing", warnings(safe, GOOD_KEY, false), ["TURNSTILE_SECRET"]],
])("%s gets one line that names the setting to change", (name, lines, parts) => {
  expect(lines).toEqual([expect.stringMatching(new RegExp(`^${name}: `))]);
  for (const part of parts) expect(lines[0]).toContain(part);
  expect(lines[0]).not.toMatch(/yyy|xxx/);
});

test("the length of a session key is counted in bytes", () => {
  expect(warnings(safe, `k:${"é".repeat(16)}`)).toEqual([]);
  expect(warnings(safe, `k:${"é".repeat(15)}`)).toHaveLength(1);
});

test.each(["secret", "k1:", ":secret", "k 1:secret", "k1:two words", "k1:a,k1:b"])(
  "%j is not a valid SESSION_KEYS, and the error message does not contain it",
  (value) => {
    expect(() => sessionKeysOf(value)).toThrow(
      expect.objectContaining({
        code: "misconfigured",
        message: expect.stringMatching(/setting SESSION_KEYS (?!.*words)/) as string,
      }),
    );
  },
);
