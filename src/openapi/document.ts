// /openapi.json: the whole API as an OpenAPI 3.1 document. scripts/assets.ts generates the document when wrangler bundles, from the schemas
// that check requests and type responses. This module is not part of the Worker's bundle.
import type { JsonObject } from "../core/lib/json.ts";
import { askOperations } from "./ask.ts";
import { HEADERS } from "./headers.ts";
import { jobsOperations } from "./jobs.ts";
import { operationObject } from "./operation.ts";
import { openAiTable, problemComponents, problemTable } from "./problems.ts";
import { responsesOperations } from "./responses.ts";
import { schemaComponents } from "./schemas.ts";
import { metaOperations } from "./meta.ts";

const DESCRIPTION = `Send a small request and get a trimmed answer. The Worker adds your defaults and the UniAPI key, and stores every turn, so that
a follow-up only needs the \`previous_response_id\`.

Every credential is a bearer token: \`Authorization: Bearer …\`. Under \`npm start\`, requests from the same machine need no credential.

Every error on every route has the same form: \`{ "error": { "message", "type", "code", "param", "request_id" } }\`. On the routes of OpenAI's API,
under \`/v1\`, \`type\` and \`code\` are OpenAI's own where OpenAI has such an error, and \`detail_code\` is the code of the other routes.`;

const bearer = (description: string, format?: string): JsonObject => ({
  type: "http",
  scheme: "bearer",
  ...(format === undefined ? {} : { bearerFormat: format }),
  description,
});

const SECURITY = {
  serverKey: bearer(
    "`sk_…`, for your backend or a script. Full trust. Refused if a page of another origin sends it, because that means the key is exposed in a web page.",
  ),
  publishableKey: bearer(
    "`pk_…`, for a page or app without a login. Restricted to its presets. Can't read anything by id.",
  ),
  sessionToken: bearer(
    "For one of your users: signed by your backend, or issued by POST /sessions. Restricted.",
    "JWT (HS256)",
  ),
  identityToken: bearer(
    "For one of your users: a token of your identity provider. Restricted.",
    "JWT (RS256, ES256, EdDSA)",
  ),
};

const TAGS = [
  { name: "Ask", description: "A small request in, a trimmed answer out." },
  { name: "Responses", description: "For OpenAI's SDKs, with another `baseURL`." },
  { name: "Callers", description: "Sessions for your users, and usage." },
  { name: "Jobs and webhooks", description: "Answers in the background." },
  { name: "Worker", description: "The Worker itself." },
];

export function openApiDocument(version: string): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const operation of [...askOperations, ...responsesOperations, ...metaOperations, ...jobsOperations]) {
    paths[operation.path] = { ...paths[operation.path], [operation.method]: operationObject(operation) };
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "uniapi-edge",
      version,
      description: `${DESCRIPTION}\n\n<details><summary>All codes</summary>\n\n${problemTable()}\n\nUnder \`/v1\`:\n\n${openAiTable()}\n\n</details>`,
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/", description: "This Worker" }],
    tags: TAGS,
    paths,
    components: {
      schemas: schemaComponents(),
      responses: problemComponents(),
      headers: HEADERS,
      securitySchemes: SECURITY,
    },
  };
}
