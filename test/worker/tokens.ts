// Tokens as third parties make them: with node:crypto alone, so that no library limits what the tests can try.
import { createHmac, generateKeyPairSync, type KeyObject, sign } from "node:crypto";

export const SECRET = "a-session-secret-of-32-bytes-or-more";
export const SESSION_KEYS = `k1:${SECRET}`;
export const now = (): number => Math.floor(Date.now() / 1_000);
/** Claims of a token that is valid for ten minutes. */
export const claimsOf = (sub: string, more: object = {}): Record<string, unknown> => ({
  sub,
  exp: now() + 600,
  ...more,
});

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

export function unsignedToken(header: object, claims: unknown): string {
  return `${part(header)}.${part(claims)}`;
}

/** @param header beside `alg` and `typ` */
export function hs256(claims: unknown, secret: string | Buffer = SECRET, header: object = { kid: "k1" }): string {
  const text = unsignedToken({ alg: "HS256", typ: "JWT", ...header }, claims);
  return `${text}.${createHmac("sha256", secret).update(text).digest("base64url")}`;
}

export interface Signer {
  alg: "RS256" | "ES256" | "EdDSA";
  kid: string;
  jwk: Record<string, unknown>;
  pem: string;
  token: (claims: unknown, header?: object) => string;
}

export function signer(alg: Signer["alg"], kid = `${alg}-${crypto.randomUUID()}`): Signer {
  const { privateKey, publicKey } = pair(alg);
  return {
    alg,
    kid,
    jwk: { ...publicKey.export({ format: "jwk" }), kid, alg, use: "sig" },
    pem: publicKey.export({ format: "pem", type: "spki" }).toString(),
    token(claims, header = {}) {
      const text = unsignedToken({ alg, typ: "JWT", kid, ...header }, claims);
      const key = { key: privateKey, dsaEncoding: "ieee-p1363" as const };
      return `${text}.${sign(alg === "EdDSA" ? null : "sha256", Buffer.from(text), alg === "ES256" ? key : privateKey).toString("base64url")}`;
    },
  };
}

/** The private key as PEM: not every API of workerd accepts a KeyObject. */
function pair(alg: Signer["alg"]): { privateKey: string; publicKey: KeyObject } {
  const { privateKey, publicKey } =
    alg === "RS256"
      ? generateKeyPairSync("rsa", { modulusLength: 2_048 })
      : alg === "ES256"
        ? generateKeyPairSync("ec", { namedCurve: "P-256" })
        : generateKeyPairSync("ed25519");
  return { privateKey: privateKey.export({ format: "pem", type: "pkcs8" }).toString(), publicKey };
}
