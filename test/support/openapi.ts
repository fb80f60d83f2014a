// The OpenAPI document as tests read it: its operations, its examples as whole exchanges, and validation of requests and responses. Does
// not know how the document is generated.
import { Ajv2020 } from "ajv/dist/2020.js";

type Json = Record<string, unknown>;

export interface OpenApi extends Json {
  info: { description: string };
  paths: Record<string, Record<string, OpenApiOperation>>;
  components: { responses: Record<string, OpenApiAnswer>; schemas: Record<string, Json> };
}
interface OpenApiOperation {
  operationId: string;
  security: Record<string, unknown>[];
  parameters?: { in: string; name: string; examples?: Examples<string>; "x-examples"?: Examples<string> }[];
  requestBody?: { required: boolean; description?: string; content: Record<string, Media> };
  responses: Record<string, OpenApiAnswer | { $ref: string }>;
}
interface OpenApiAnswer {
  description: string;
  content: Record<string, Media>;
}
interface Media {
  schema: Json;
  examples?: Examples<unknown>;
  "x-item-schema"?: Json;
}
type Examples<Value> = Record<string, { value: Value }>;

/** One example, assembled from the parts that share its name. */
export interface Exchange {
  name: string;
  operationId: string;
  method: string;
  path: string;
  parameters: { in: string; name: string; value: string }[];
  body?: { type: string; value: unknown };
  status: number;
  answer: { type: string; value: unknown };
}

const at = (...path: string[]): string =>
  `api#/${path.map((part) => encodeURIComponent(part.replaceAll("~", "~0").replaceAll("/", "~1"))).join("/")}`;

export function exchangesOf(document: OpenApi): Exchange[] {
  return operationsOf(document).flatMap(({ path, method, operation }) => {
    const { operationId, parameters = [], requestBody, responses } = operation;
    return Object.entries(responses).flatMap(([status, answer]) =>
      examplesIn("content" in answer ? answer.content : {}).map(({ name, ...responseBody }) => {
        const body = examplesIn(requestBody?.content ?? {}).find((example) => example.name === name);
        const values = parameters.flatMap(({ in: place, name: parameter, examples, "x-examples": optional }) => {
          const value = (examples ?? optional)?.[name]?.value;
          return value === undefined ? [] : [{ in: place, name: parameter, value }];
        });
        return {
          name,
          operationId,
          method,
          path,
          parameters: values,
          ...(body && { body }),
          status: Number(status),
          answer: responseBody,
        };
      }),
    );
  });
}

export function operationsOf(document: OpenApi): { path: string; method: string; operation: OpenApiOperation }[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
}

function examplesIn(content: Record<string, Media>): { name: string; type: string; value: unknown }[] {
  return Object.entries(content).flatMap(([type, { examples = {} }]) =>
    Object.entries(examples).map(([name, { value }]) => ({ name, type, value })),
  );
}

export interface Judge {
  /** @returns what is wrong with a request body, or null */
  request: (of: { path: string; method: string }, type: string, body: unknown) => string | null;
  /** @returns what is wrong with a response (its status and type may be undocumented), or null. `event`: the body is one event of a stream. */
  answer: (
    of: { path: string; method: string },
    response: { status: number; type: string; body: unknown; event?: boolean },
  ) => string | null;
}

export function judge(document: OpenApi): Judge {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema(document, "api");
  const check = (ref: string, body: unknown): string | null => {
    const valid = ajv.getSchema(ref);
    if (valid === undefined) return `there is no ${decodeURIComponent(ref)}`;
    return valid(body) === true ? null : `${decodeURIComponent(ref)}: ${ajv.errorsText(valid.errors)}`;
  };
  return {
    request: ({ path, method }, type, body) =>
      check(at("paths", path, method, "requestBody", "content", type, "schema"), body),
    answer({ path, method }, { status, type, body, event = false }) {
      const documented = document.paths[path]?.[method]?.responses[String(status)];
      if (documented === undefined) return `${method} ${path} does not have ${status}`;
      const place =
        "$ref" in documented
          ? ["components", "responses", String(documented.$ref.split("/").at(-1))]
          : ["paths", path, method, "responses", String(status)];
      return check(at(...place, "content", type, event ? "x-item-schema" : "schema"), body);
    },
  };
}
