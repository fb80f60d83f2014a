// The description of an operation, and its conversion into an Operation Object of OpenAPI. An example is one complete exchange. Its request
// appears with the request body and the parameters, and its response with the response, both under the example's name.
import type { JsonObject } from "../core/lib/json.ts";
import { headersOf } from "./headers.ts";
import { type FailureKind, isOpenAiPath, openAiExample, problemResponses } from "./problems.ts";

/** The security scheme that a caller uses, or `nobody` if no credential is needed. */
export type CallerKind = "serverKey" | "publishableKey" | "sessionToken" | "identityToken" | "nobody";
export const EVERY_CALLER: readonly CallerKind[] = ["serverKey", "publishableKey", "sessionToken", "identityToken"];
/** Callers that can read by id. Publishable keys are public, so they can't. */
export const READERS: readonly CallerKind[] = ["serverKey", "sessionToken", "identityToken"];

export interface Parameter {
  in: "path" | "query" | "header";
  name: string;
  description: string;
  schema: JsonObject;
}

export interface Example {
  summary: string;
  /** Values of parameters by name. */
  parameters?: Record<string, string>;
  /** The request body: JSON, or a string for any other type. */
  body?: unknown;
  /** Media type of the request body. Default: "application/json". */
  type?: string;
  status: number;
  /** The response body: JSON, or a string for any other type. */
  response: unknown;
  /** Media type of the response body. Default: "application/json". */
  accept?: string;
}

export interface OperationResponse {
  description: string;
  /** Names of `components.headers`, in addition to `x-request-id`. */
  headers?: readonly string[];
  /** Schemas by media type; absent for a response without a body. */
  content?: Record<string, JsonObject>;
  /** Schema of one event, if the response can be a stream. */
  event?: JsonObject;
}

export interface Operation {
  path: string;
  method: "get" | "post" | "delete";
  operationId: string;
  tag: string;
  summary: string;
  description: string;
  callers: readonly CallerKind[];
  parameters?: readonly Parameter[];
  /** Schemas by media type. */
  body?: Record<string, JsonObject>;
  /** Describes when a request may omit its body. If absent, the body is required. */
  optionalBody?: string;
  responses: Record<number, OperationResponse>;
  /** Kinds of failure, in addition to those of every route. */
  failures: readonly FailureKind[];
  examples: Record<string, Example>;
}

const JSON_TYPE = "application/json";

export function schemaRef(schema: string): JsonObject {
  return { $ref: `#/components/schemas/${schema}` };
}

export function operationObject(operation: Operation): JsonObject {
  const { operationId, tag, summary, description, callers, parameters = [], body, optionalBody } = operation;
  const { responses, failures } = operation;
  const examples = Object.entries(operation.examples).map(
    ([name, example]) => [name, exampleFor(operation.path, example)] as const,
  );
  return {
    operationId,
    tags: [tag],
    summary,
    description,
    security: callers.map((caller) => (caller === "nobody" ? {} : { [caller]: [] })),
    ...(parameters.length === 0 ? {} : { parameters: parameters.map((parameter) => parameterOf(parameter, examples)) }),
    ...(body === undefined
      ? {}
      : { requestBody: requestBodyOf(contentOf(body, requestBodies(examples)), optionalBody) }),
    responses: {
      ...Object.fromEntries(
        Object.entries(responses).map(([status, response]) => [status, responseOf(Number(status), response, examples)]),
      ),
      ...problemResponses(
        operation.path,
        failures,
        callers.every((caller) => caller === "nobody"),
        (status) => examplesOf(responseBodies(examples, status)),
      ),
    },
  };
}

/** Converts the body of an example into OpenAI's form, if the example is an error of one of OpenAI's routes. */
function exampleFor(path: string, example: Example): Example {
  return example.status >= 400 && isOpenAiPath(path)
    ? { ...example, response: openAiExample(example.response) }
    : example;
}

function requestBodyOf(content: JsonObject, optionalBody: string | undefined): JsonObject {
  return optionalBody === undefined
    ? { required: true, content }
    : { required: false, description: optionalBody, content };
}

type NamedExamples = readonly (readonly [name: string, example: Example])[];

/** The request or response body of an example. */
interface ExampleBody {
  name: string;
  type: string;
  summary: string;
  value: unknown;
}

const requestBodies = (examples: NamedExamples): ExampleBody[] =>
  examples.flatMap(([name, { summary, body, type = JSON_TYPE }]) =>
    body === undefined ? [] : [{ name, type, summary, value: body }],
  );
const responseBodies = (examples: NamedExamples, status: number): ExampleBody[] =>
  examples
    .filter(([, example]) => example.status === status)
    .map(([name, { summary, response, accept = JSON_TYPE }]) => ({ name, type: accept, summary, value: response }));

function parameterOf({ schema, ...parameter }: Parameter, examples: NamedExamples): JsonObject {
  const values = examples.flatMap(([name, { summary, parameters }]) => {
    const value = parameters?.[parameter.name];
    return value === undefined ? [] : [[name, { summary, value }] as const];
  });
  return {
    ...parameter,
    required: parameter.in === "path",
    schema,
    // Viewers prefill fields from `examples`, and would send every question with an example's Idempotency-Key. So only path parameters have
    // `examples`.
    ...(values.length === 0
      ? {}
      : { [parameter.in === "path" ? "examples" : "x-examples"]: Object.fromEntries(values) }),
  };
}

function responseOf(status: number, response: OperationResponse, examples: NamedExamples): JsonObject {
  const { description, headers = [], event } = response;
  if (response.content === undefined) return { description, headers: headersOf(headers) };
  const content = contentOf(response.content, responseBodies(examples, status));
  // OpenAPI 3.1 can't describe the events of a stream. OpenAPI 3.2 has `itemSchema` for this.
  if (event !== undefined) content["text/event-stream"] = { ...content["text/event-stream"], "x-item-schema": event };
  return { description, headers: headersOf(headers), content };
}

function contentOf(schemas: Record<string, JsonObject>, bodies: readonly ExampleBody[]): Record<string, JsonObject> {
  return Object.fromEntries(
    Object.entries(schemas).map(([type, schema]) => {
      const examples = examplesOf(bodies.filter((body) => body.type === type));
      return [type, { schema, ...(examples === undefined ? {} : { examples }) }];
    }),
  );
}

function examplesOf(bodies: readonly ExampleBody[]): JsonObject | undefined {
  if (bodies.length === 0) return undefined;
  return Object.fromEntries(bodies.map(({ name, summary, value }) => [name, { summary, value }]));
}
