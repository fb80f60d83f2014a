// Parses the Worker's own vars and secrets. For an invalid value, every function here throws Problem 503 misconfigured, which names the
// setting but never shows its value.
import { isRecord, parseJson } from "../lib/json.ts";
import { entriesOf, misconfigured } from "./setting.ts";
import { isLoopbackHost } from "../lib/url-rules.ts";

/** Whether ENVIRONMENT is `local`. The default of ENVIRONMENT is `production`. */
export function localOf(environment: string | undefined): boolean {
  if (environment === "local") return true;
  if (environment === undefined || environment === "production") return false;
  throw misconfigured("ENVIRONMENT", "must be production or local");
}

/** Reads UNIAPI_KEY, which must be set. */
export function upstreamKeyOf(value: string | undefined): string {
  const key = (value ?? "").trim();
  if (/^[\x21-\x7e]+$/.test(key)) return key;
  throw misconfigured("UNIAPI_KEY", "is missing or has invalid characters: set it with npm run setup");
}

/** Reads PAUSED. It stops all spending, so an unknown value must not count as off. */
export function pausedOf(value: string | undefined): boolean {
  if (value === "1") return true;
  if (value === undefined || value === "" || value === "0") return false;
  throw misconfigured("PAUSED", "must be 1 (paused) or 0");
}

/**
 * Reads UNIAPI_BASE_URL, and removes a `/v1` or slash at its end. Only https is accepted, because it protects the key. A local Worker also
 * accepts http on loopback.
 */
export function baseUrlOf(value: string | undefined, local: boolean): string {
  const url = URL.parse(value || "https://api.uniapi.io");
  const secure = url?.protocol === "https:" || (local && url?.protocol === "http:" && isLoopbackHost(url.hostname));
  if (url === null || !secure || url.username !== "" || url.search !== "") {
    throw misconfigured(
      "UNIAPI_BASE_URL",
      "must be an https address without query, like https://api.uniapi.io (http on loopback only, under ENVIRONMENT=local)",
    );
  }
  return (url.origin + url.pathname).replace(/\/+$/, "").replace(/\/v1$/, "").replace(/\/+$/, "");
}

/** Reads the raw keys of ID_KEYS in their order; empty if the setting is absent. */
export function idSecretsOf(value: string | undefined): Uint8Array<ArrayBuffer>[] {
  return entriesOf(value).map(decodeIdKey);
}

/** Reads TURNSTILE_SECRET; undefined if it is absent. */
export function turnstileSecretOf(value: string | undefined): string | undefined {
  const secret = (value ?? "").trim();
  if (secret === "") return undefined;
  if (/^[\x21-\x7e]+$/.test(secret)) return secret;
  throw misconfigured("TURNSTILE_SECRET", "has invalid characters");
}

function decodeIdKey(text: string): Uint8Array<ArrayBuffer> {
  try {
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    if (bytes.length === 32) return bytes;
  } catch {
    // Invalid base64 gets the same error as a wrong length.
  }
  throw misconfigured(
    "ID_KEYS",
    "must be base64 of 32 bytes each, separated by commas: make one with `openssl rand -base64 32`",
  );
}

/** Reads DEADLINES, a JSON object of milliseconds by name. Tests over HTTP set it so that they need not wait. */
export function deadlinesOf(value: string | undefined): Record<string, number> {
  if (value === undefined || value === "") return {};
  const deadlines = parseJson(value);
  if (!isRecord(deadlines) || !Object.values(deadlines).every((ms) => typeof ms === "number" && ms > 0)) {
    throw misconfigured("DEADLINES", 'must be JSON of milliseconds by name, like {"upstream_idle":500}');
  }
  return deadlines as Record<string, number>;
}

/** A key that signs and verifies session tokens. */
export interface SessionKey {
  kid: string;
  /** The UTF-8 bytes of the secret, which JWT libraries use as the HMAC key. */
  secret: Uint8Array<ArrayBuffer>;
}

/** Reads SESSION_KEYS: `kid:secret` entries, separated by commas. The first key signs the tokens of POST /sessions; all keys verify. */
export function sessionKeysOf(value: string | undefined): SessionKey[] {
  const keys: SessionKey[] = [];
  for (const entry of entriesOf(value)) {
    const [, kid = "", secret = ""] = /^([\w.-]{1,64}):(\S+)$/.exec(entry) ?? [];
    if (secret === "") {
      throw misconfigured(
        "SESSION_KEYS",
        "must be kid:secret, separated by commas, each kid 1 to 64 letters, digits, _, . or -",
      );
    }
    if (keys.some((key) => key.kid === kid))
      throw misconfigured("SESSION_KEYS", "has the same kid twice: give each key its own");
    keys.push({ kid, secret: Uint8Array.from(new TextEncoder().encode(secret)) });
  }
  return keys;
}
