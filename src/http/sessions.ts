// POST /sessions issues a short-lived session token for one end user. A backend without a JWT library requests one with a server key. A
// page gets one for a solved Turnstile challenge.
import { type Context, Hono } from "hono";
import type { AppEnv } from "../app-env.ts";
import type { Sessions } from "../core/config/config-schema.ts";
import { decodeUtf8, type JsonObject } from "../core/lib/json.ts";
import { Problem } from "../core/lib/problem.ts";
import { readTurnstileExchange, readSessionFields, readSessionRequest } from "../core/request/read-sessions.ts";
import { misconfigured } from "../core/config/setting.ts";
import type { Caller, Deps } from "../deps.ts";
import { admit, assertWithinRateLimit } from "../gate/admit.ts";
import { isAllowedOrigin, originNotAllowed } from "../gate/cors.ts";
import { addressOf, invalidCredentials } from "../gate/authenticate.ts";
import { signSession } from "../gate/session.ts";
import { verifyTurnstile } from "../gate/turnstile.ts";
import type { SessionToken } from "../contract/session.ts";
import { json } from "./respond/response.ts";
import type { SessionKey } from "../core/config/vars.ts";

const MAX_BODY_BYTES = 16_384;

export const sessionsRoutes = new Hono<AppEnv>().post("/", postSessions);

async function postSessions(c: Context<AppEnv>): Promise<Response> {
  const { deps, logFields } = c.var;
  const request = c.req.raw;
  if (request.headers.has("authorization")) {
    assertServerCaller(await admit(deps, request, c.var));
    return json(c, await backendSession(deps, await readFields(deps, request)), 201);
  }
  const address = addressOf(request);
  if (address !== null) await assertWithinRateLimit(deps, `address:${address}`);
  const fields = await readFields(deps, request);
  if (Object.hasOwn(fields, "turnstile")) {
    logFields.caller = "turnstile";
    return json(c, await turnstileSession(deps, request, fields), 201);
  }
  assertServerCaller(await admit(deps, request, c.var));
  return json(c, await backendSession(deps, fields), 201);
}

async function readFields(deps: Deps, request: Request): Promise<JsonObject> {
  return readSessionFields(decodeUtf8(await deps.receive(request, MAX_BODY_BYTES)));
}

/** @throws Problem 403 insufficient_scope */
function assertServerCaller({ grant }: Caller): void {
  if (grant === undefined) return;
  throw new Problem(
    "insufficient_scope",
    "This credential can't create sessions. Use a server key (sk_), or a solved Turnstile without a credential.",
  );
}

async function backendSession(deps: Deps, fields: JsonObject): Promise<SessionToken> {
  const { sessions, key } = sessionSettings(deps);
  const { ttl, ...claims } = readSessionRequest(fields, sessions.presets);
  return issueToken(deps, key, claims, ttl);
}

async function turnstileSession(deps: Deps, request: Request, fields: JsonObject): Promise<SessionToken> {
  const origin = request.headers.get("origin");
  if (origin === null || !isAllowedOrigin(request, origin, deps)) throw originNotAllowed();
  const exchange = readTurnstileExchange(fields);
  const { key } = sessionSettings(deps);
  const { turnstile } = deps.config.callers;
  if (turnstile === undefined)
    throw misconfigured(
      "callers.turnstile (src/config.ts)",
      "is missing: it defines which page may exchange a solved Turnstile for a session",
    );
  const visitor = await verifyTurnstile(deps, exchange, turnstile, {
    origin,
    address: request.headers.get("cf-connecting-ip"),
  });
  if ("refused" in visitor) throw invalidCredentials(deps, visitor);
  return issueToken(
    deps,
    key,
    { sub: visitor.sub, presets: turnstile.presets, origin, via: "turnstile" },
    turnstile.ttl,
  );
}

/** @throws Problem 503 misconfigured */
function sessionSettings(deps: Deps): { sessions: Sessions; key: SessionKey } {
  const { sessions } = deps.config.callers;
  const [key] = deps.sessionKeys;
  if (sessions === undefined)
    throw misconfigured("callers.sessions (src/config.ts)", "is missing: it defines what a session may use");
  if (key === undefined)
    throw misconfigured("SESSION_KEYS", "is missing: set it to kid:secret (npm run setup makes one)");
  return { sessions, key };
}

/** @param ttl lifetime of the token in seconds */
async function issueToken(deps: Deps, key: SessionKey, claims: JsonObject, ttl: number): Promise<SessionToken> {
  const iat = Math.floor(deps.now() / 1_000);
  const expiresAt = iat + ttl;
  const token = await signSession(key, { ...claims, iat, exp: expiresAt });
  return { token, expires_at: expiresAt };
}
