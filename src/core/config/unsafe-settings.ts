// Lists settings that work but are risky. There is one line for each, which names the setting to change. The Worker logs the lines when it
// starts, and npm start prints them. No line contains a secret.
import type { BudgetLimits, CallbackAuth, Config } from "./config-schema.ts";
import type { SessionKey } from "./vars.ts";

/** An HMAC key that is shorter than the hash can be found by brute force, given one token. */
const MIN_SECRET_BYTES = 32;

/** Returns the lines. @param isSet tells whether the secret of that name is set */
export function unsafeSettings(
  { callers, origins, hooks, callbacks }: Config,
  sessionKeys: readonly SessionKey[],
  isSet: (secret: string) => boolean,
): string[] {
  const lines: string[] = [];
  for (const [index, { id, total }] of callers.publishable.entries()) {
    if (isUnlimited(total)) {
      lines.push(
        `publishable_without_total: anyone who opens the page can spend without limit with key "${id}". In src/config.ts set a total for callers.publishable[${index}], such as total: { usd_per_day: 5 }`,
      );
    }
  }
  if (callers.turnstile !== undefined && callers.sessions !== undefined && isUnlimited(callers.sessions.total)) {
    lines.push(
      "turnstile_without_total: unknown visitors get sessions and can spend without limit. In src/config.ts set a total for callers.sessions, such as total: { usd_per_day: 5 }",
    );
  }
  for (const [index, { total }] of callers.jwt.entries()) {
    if (isUnlimited(total)) {
      lines.push(
        `jwt_without_total: if the identity provider lets anyone sign up, new users can spend without limit. In src/config.ts set a total for callers.jwt[${index}], such as total: { usd_per_day: 5 }`,
      );
    }
  }
  const fromPages = Object.entries({
    publishable: callers.publishable.length > 0,
    sessions: callers.sessions !== undefined,
    jwt: callers.jwt.length > 0,
    turnstile: callers.turnstile !== undefined,
  }).filter(([, used]) => used);
  if (fromPages.length > 0 && origins.length === 0) {
    const names = fromPages.map(([name]) => `callers.${name}`).join(", ");
    lines.push(
      `origins_missing: no page can use ${names}. In src/config.ts list the pages' origins, such as origins: ["https://app.example.com"]`,
    );
  }
  for (const { kid, secret } of sessionKeys) {
    if (secret.length < MIN_SECRET_BYTES) {
      lines.push(
        `session_key_short: the secret of kid "${kid}" has ${secret.length} bytes, and anyone who holds one token can guess it. In SESSION_KEYS use a secret of ${MIN_SECRET_BYTES} bytes or more: openssl rand -hex 32`,
      );
    }
  }
  if (callers.sessions !== undefined && sessionKeys.length === 0) {
    lines.push(
      "session_keys_missing: callers.sessions is configured, but every session is refused. Set the secret SESSION_KEYS (npm run setup makes one)",
    );
  }
  for (const [name, hook] of Object.entries(hooks)) {
    if (isUnlimited(hook)) {
      lines.push(
        `hook_without_budget: anyone who can make ${hook.scheme} send an event can spend without limit. In src/config.ts set a limit for hooks.${name}, such as usd_per_day: 5`,
      );
    }
    if (!isSet(hook.secret_name)) {
      lines.push(
        `hook_secret_missing: every event to hooks.${name} is refused. Set the secret ${hook.secret_name} to what its sender signs with`,
      );
    }
  }
  for (const [name, { auth }] of Object.entries(callbacks)) {
    const secret = auth === undefined ? undefined : secretOf(auth);
    if (secret !== undefined && !isSet(secret)) {
      lines.push(`callback_secret_missing: nothing can be delivered to callbacks.${name}. Set the secret ${secret}`);
    }
  }
  if (callers.turnstile !== undefined && !isSet("TURNSTILE_SECRET")) {
    lines.push(
      "turnstile_secret_missing: callers.turnstile is configured, but every exchange is refused. Set the secret TURNSTILE_SECRET (Cloudflare's dashboard, Turnstile)",
    );
  }
  return lines;
}

function secretOf(auth: CallbackAuth): string {
  if ("bearer" in auth) return auth.bearer;
  return "header" in auth ? auth.header.secret_name : auth.standard;
}

function isUnlimited({ tokens_per_day, usd_per_day }: BudgetLimits): boolean {
  return tokens_per_day === undefined && usd_per_day === undefined;
}
