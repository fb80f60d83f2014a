// The smaller routes: sessions, usage, models, and the Worker itself.
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
  description: `With a server key: a token for one of your users. Without a credential, from a page of an allowed origin: a token in exchange for a solved
Turnstile. A backend can also sign session tokens itself, with any JWT library.`,
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
    preset_not_granted: {
      summary: "A preset that is not granted to sessions",
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
  summary: "Usage and remaining limits of this caller",
  description: "Sums of today and of the last 30 days. For callers without limits, they lag by a few seconds.",
  callers: READERS,
  responses: {
    200: { description: "Usage of this caller.", content: { "application/json": schemaRef("UsageReport") } },
  },
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

const PRESET = { id: "support", object: "model", created: 0, owned_by: "preset" };

const models: Operation = {
  path: "/v1/models",
  method: "get",
  operationId: "listModels",
  tag: "Responses",
  summary: "Presets and models",
  description:
    "The presets, and UniAPI's models that the config allows. A restricted caller sees only the presets that it is granted.",
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
          PRESET,
          { id: "gpt-6-luna", object: "model", created: 1_790_035_200, owned_by: "openai", shutdown_date: null },
        ],
      },
    },
  },
};

const model: Operation = {
  path: "/v1/models/{id}",
  method: "get",
  operationId: "getModel",
  tag: "Responses",
  summary: "A preset or a model",
  description: "One entry of `GET /v1/models`.",
  callers: EVERY_CALLER,
  parameters: [{ in: "path", name: "id", description: "Name of the preset or model.", schema: { type: "string" } }],
  responses: { 200: { description: "The model.", content: { "application/json": schemaRef("Model") } } },
  failures: ["upstream", "id"],
  examples: {
    preset: {
      summary: "A preset",
      parameters: { id: "support" },
      status: 200,
      response: PRESET,
    },
    unknown: {
      summary: "An unknown name",
      parameters: { id: "gpt-0" },
      status: 404,
      response: problemExample(
        "model_not_found",
        "There is no model with this name for this caller. GET /v1/models lists them.",
        "model",
      ),
    },
  },
};

const health: Operation = {
  path: "/health",
  method: "get",
  operationId: "getHealth",
  tag: "Worker",
  summary: "Whether the Worker can answer",
  description: "Makes no outgoing request. A wrong setting is reported as 503 `misconfigured`.",
  callers: ["nobody"],
  responses: { 200: { description: "The Worker can answer.", content: { "application/json": schemaRef("Health") } } },
  failures: [],
  examples: { ok: { summary: "All is well", status: 200, response: { status: "ok" } } },
};

const FILE_HEADERS = ["etag", "cache-control"];
const NOT_MODIFIED: OperationResponse = {
  description: "The cached file is still current, by `If-None-Match`. No body.",
  headers: FILE_HEADERS,
};

const client: Operation = {
  path: "/client.js",
  method: "get",
  operationId: "getClient",
  tag: "Worker",
  summary: "The typed client, for pages",
  description: "An ES module without dependencies, described in docs/client.md. Any page may import it.",
  callers: ["nobody"],
  parameters: [ifNoneMatch],
  responses: {
    200: { description: "The module.", headers: FILE_HEADERS, content: { "text/javascript": { type: "string" } } },
    304: NOT_MODIFIED,
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
  description: "OpenAPI 3.1; `/docs` displays it.",
  callers: ["nobody"],
  parameters: [ifNoneMatch],
  responses: {
    200: { description: "The document.", headers: FILE_HEADERS, content: { "application/json": { type: "object" } } },
    304: NOT_MODIFIED,
  },
  failures: [],
  examples: {},
};

export const metaOperations = [sessions, usage, models, model, health, client, openapi];
