// SESSION_KEYS, the keys of session tokens: `kid:secret`, separated by commas. The first one signs the tokens of POST /sessions; all of
// them verify.
import { entriesOf, misconfigured } from "./setting.ts";

export interface SessionKey {
  kid: string;
  /** The UTF-8 bytes of the secret's text, as JWT libraries use it. */
  secret: Uint8Array<ArrayBuffer>;
}

/** @throws Problem misconfigured */
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
