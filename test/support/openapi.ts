// The OpenAPI document as tests read it: its operations, its examples as whole exchanges, and a judge that holds answers to it. Knows
// nothing of how the document is made.
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

/** One example, put together from its parts under one name. */
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
      shown("content" in answer ? answer.content : {}).map(({ name, ...got }) => {
        const body = shown(requestBody?.content ?? {}).find((example) => example.name === name);
        const given = parameters.flatMap(({ in: place, name: parameter, examples, "x-examples": optional }) => {
          const value = (examples ?? optional)?.[name]?.value;
          return value === undefined ? [] : [{ in: place, name: parameter, value }];
        });
        return {
          name,
          operationId,
          method,
          path,
          parameters: given,
          ...(body && { body }),
          status: Number(status),
          answer: got,
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

function shown(content: Record<string, Media>): { name: string; type: string; value: unknown }[] {
  return Object.entries(content).flatMap(([type, { examples = {} }]) =>
    Object.entries(examples).map(([name, { value }]) => ({ name, type, value })),
  );
}

export interface Judge {
  /** What is wrong with a body; null: nothing. */
  request: (of: { path: string; method: string }, type: string, body: unknown) => string | null;
  /** What is wrong with an answer, whose status or type may not be there at all; `event`: one of a stream's. */
  answer: (
    of: { path: string; method: string },
    got: { status: number; type: string; body: unknown; event?: boolean },
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
      const own = document.paths[path]?.[method]?.responses[String(status)];
      if (own === undefined) return `${method} ${path} does not have ${status}`;
      const place =
        "$ref" in own
          ? ["components", "responses", String(own.$ref.split("/").at(-1))]
          : ["paths", path, method, "responses", String(status)];
      return check(at(...place, "content", type, event ? "x-item-schema" : "schema"), body);
    },
  };
}
