// /openapi.json: the whole API as an OpenAPI 3.1 document. Made when wrangler bundles (scripts/assets.ts), from the schemas that the
// Worker is held to; nothing of it is in the bundle.
import type { JsonObject } from "../core/lib/json.ts";
import { askOperations } from "./ask.ts";
import { HEADERS } from "./headers.ts";
import { jobsOperations } from "./jobs.ts";
import { operationObject } from "./operation.ts";
import { problemComponents, problemTable } from "./problems.ts";
import { responsesOperations } from "./responses.ts";
import { schemaComponents } from "./schemas.ts";
import { metaOperations } from "./meta.ts";

const DESCRIPTION = `Send a small request; defaults and the key of UniAPI are added, every turn is kept under its \`previous_response_id\`, and a trimmed
answer comes back.

Every credential is a bearer token: \`Authorization: Bearer …\`. Under \`npm start\` requests from the same machine need none.

Every error has one form, \`{ "error": { "message", "type", "code", "param", "request_id" } }\`, on every route.`;

const bearer = (description: string, format?: string): JsonObject => ({
  type: "http",
  scheme: "bearer",
  ...(format === undefined ? {} : { bearerFormat: format }),
  description,
});

const SECURITY = {
  serverKey: bearer(
    "`sk_…`: your backend, a script. Full trust; refused with a foreign `Origin`, since then it stands in a page.",
  ),
  publishableKey: bearer("`pk_…`: a page or app without a login. Locked to its presets; nothing can be read by id."),
  sessionToken: bearer("One user of yours: signed by your backend, or made by POST /sessions. Locked.", "JWT (HS256)"),
  identityToken: bearer(
    "One user of your login, by a token of your identity provider. Locked.",
    "JWT (RS256, ES256, EdDSA)",
  ),
};

const TAGS = [
  { name: "Ask", description: "A small request in, a trimmed answer out." },
  { name: "Responses", description: "For OpenAI's SDKs, with another `baseURL`." },
  { name: "Callers", description: "Sessions for users, and what has been used." },
  { name: "Jobs and webhooks", description: "Answers that nobody waits for." },
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
      description: `${DESCRIPTION}\n\n<details><summary>All codes</summary>\n\n${problemTable()}\n\n</details>`,
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
