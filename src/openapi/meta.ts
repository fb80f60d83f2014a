// The smaller routes: sessions and usage of callers, models, and the Worker itself.
import { type OperationResponse, EVERY_CALLER, type Operation, READERS, schemaRef } from "./operation.ts";
import { ifNoneMatch } from "./parameters.ts";
import { problemExample } from "./problems.ts";

const TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c2VyLTE3In0.kVqM0kq7iIu3";
const SUMS = { requests: 42, hits: 5, tokens: 18_230, cost_usd: 0.0214, reserved_tokens: 0 };

const sessions: Operation = {
  path: "/sessions",
  method: "post",
  operationId: "createSession",
  tag: "Callers",
  summary: "A token for one user",
  description: `With a server key, for a user of yours; or without a credential for a solved Turnstile, from a page of an allowed origin. A backend can
also sign session tokens itself, with any JWT library.`,
  callers: ["serverKey", "nobody"],
  parameters: [
    { in: "header", name: "Origin", description: "With `turnstile`: browsers send it.", schema: { type: "string" } },
  ],
  body: { "application/json": schemaRef("SessionRequest") },
  responses: { 201: { description: "The token.", content: { "application/json": schemaRef("SessionToken") } } },
  failures: ["body"],
  examples: {
    user: {
      summary: "For a user",
      body: { sub: "user-17", presets: ["support"], ttl: 600, tokens_per_day: 20_000 },
      status: 201,
      response: { token: TOKEN, expires_at: 1_795_388_229 },
    },
    turnstile: {
      summary: "For a visitor",
      parameters: { Origin: "https://app.example.com" },
      body: { turnstile: "0.Xk3…" },
      status: 201,
      response: { token: TOKEN, expires_at: 1_795_387_929 },
    },
    strange_preset: {
      summary: "A preset that sessions do not have",
      body: { sub: "user-17", presets: ["staff"] },
      status: 400,
      response: problemExample(
        "invalid_request",
        "`presets[0]` must be one of callers.sessions.presets in src/config.ts.",
        "presets[0]",
      ),
    },
  },
};

const usage: Operation = {
  path: "/usage",
  method: "get",
  operationId: "getUsage",
  tag: "Callers",
  summary: "What this caller has used, and what is left",
  description: "Today and the last 30 days. Callers without limits are counted a few seconds late.",
  callers: READERS,
  responses: { 200: { description: "Of the caller that asks.", content: { "application/json": schemaRef("UsageReport") } } },
  failures: [],
  examples: {
    usage: {
      summary: "A user with limits",
      status: 200,
      response: {
        today: { date: "2026-11-22", ...SUMS },
        days: [{ date: "2026-11-22", ...SUMS }],
        total: SUMS,
        limits: { tokens_per_day: 100_000 },
        left: { tokens_per_day: 81_770 },
      },
    },
  },
};

const models: Operation = {
  path: "/v1/models",
  method: "get",
  operationId: "listModels",
  tag: "Responses",
  summary: "Presets and models",
  description:
    "The presets and UniAPI's models; of these only the ones that the config lists. A locked caller sees the presets that it is granted.",
  callers: EVERY_CALLER,
  responses: { 200: { description: "The list.", content: { "application/json": schemaRef("ModelList") } } },
  failures: ["upstream"],
  examples: {
    models: {
      summary: "A preset and a model",
      status: 200,
      response: {
        object: "list",
        data: [
          { id: "support", object: "model", created: 0, owned_by: "preset" },
          { id: "gpt-6-luna", object: "model", created: 1_790_035_200, owned_by: "openai", shutdown_date: null },
        ],
      },
    },
  },
};

const health: Operation = {
  path: "/health",
  method: "get",
  operationId: "getHealth",
  tag: "Worker",
  summary: "Whether it could answer",
  description: "Asks nothing of the outside. A setting that is wrong shows as 503 `misconfigured`.",
  callers: ["nobody"],
  responses: { 200: { description: "It could.", content: { "application/json": schemaRef("Health") } } },
  failures: [],
  examples: { ok: { summary: "All is well", status: 200, response: { status: "ok" } } },
};

const OF_A_FILE = ["etag", "cache-control"];
const UNCHANGED: OperationResponse = {
  description: "The reader's own is the same, by `If-None-Match`: no body.",
  headers: OF_A_FILE,
};

const client: Operation = {
  path: "/client.js",
  method: "get",
  operationId: "getClient",
  tag: "Worker",
  summary: "The typed client, for pages",
  description: "An ES module without dependencies; docs/client.md describes it. Any page may import it.",
  callers: ["nobody"],
  parameters: [ifNoneMatch],
  responses: {
    200: { description: "The module.", headers: OF_A_FILE, content: { "text/javascript": { type: "string" } } },
    304: UNCHANGED,
  },
  failures: [],
  examples: {},
};

const openapi: Operation = {
  path: "/openapi.json",
  method: "get",
  operationId: "getDescription",
  tag: "Worker",
  summary: "This document",
  description: "OpenAPI 3.1. `/docs` shows it.",
  callers: ["nobody"],
  parameters: [ifNoneMatch],
  responses: {
    200: { description: "The document.", headers: OF_A_FILE, content: { "application/json": { type: "object" } } },
    304: UNCHANGED,
  },
  failures: [],
  examples: {},
};

export const metaOperations = [sessions, usage, models, health, client, openapi];
