// One operation of the API as its file describes it, and how that becomes OpenAPI. An example is one whole exchange: what is sent
// stands with the request, what comes back with the answer of its status, both under the example's name.
import type { JsonObject } from "../core/lib/json.ts";
import { headersOf } from "./headers.ts";
import { type FailureKind, problemResponses } from "./problems.ts";

/** Who may ask: names of security schemes; "nobody": no credential is needed. */
export type CallerKind = "serverKey" | "publishableKey" | "sessionToken" | "identityToken" | "nobody";
export const EVERY_CALLER: readonly CallerKind[] = ["serverKey", "publishableKey", "sessionToken", "identityToken"];
/** Publishable keys stand in pages: nothing can be read by id with one. */
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
  /** The body: JSON, or a text of another type. */
  body?: unknown;
  /** Of the body; "application/json" where there is none. */
  type?: string;
  status: number;
  /** What comes back: JSON, or a text of another type. */
  response: unknown;
  /** Of the answer; "application/json" where there is none. */
  accept?: string;
}

export interface OperationResponse {
  description: string;
  /** Names of `components.headers`, beside `x-request-id`. */
  headers?: readonly string[];
  /** Schemas by media type; absent where there is no body. */
  content?: Record<string, JsonObject>;
  /** Of one event, where the answer is a stream. */
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
  /** When a request does without its body; absent: never. */
  optionalBody?: string;
  responses: Record<number, OperationResponse>;
  /** Which failures it can meet beside those of every route. */
  failures: readonly FailureKind[];
  examples: Record<string, Example>;
}

const JSON_TYPE = "application/json";

export function schemaRef(schema: string): JsonObject {
  return { $ref: `#/components/schemas/${schema}` };
}

export function operationObject(operation: Operation): JsonObject {
  const {
    operationId,
    tag,
    summary,
    description,
    callers,
    parameters = [],
    body,
    optionalBody: bodyAbsent,
    responses: answers,
    failures: fails,
    examples,
  } = operation;
  const told = Object.entries(examples);
  return {
    operationId,
    tags: [tag],
    summary,
    description,
    security: callers.map((credential) => (credential === "nobody" ? {} : { [credential]: [] })),
    ...(parameters.length === 0 ? {} : { parameters: parameters.map((parameter) => parameterOf(parameter, told)) }),
    ...(body === undefined ? {} : { requestBody: bodyOf(contentOf(body, sent(told)), bodyAbsent) }),
    responses: {
      ...Object.fromEntries(
        Object.entries(answers).map(([status, answer]) => [status, answerOf(Number(status), answer, told)]),
      ),
      ...problemResponses(
        fails,
        callers.every((caller) => caller === "nobody"),
        (status) => examplesOf(got(told, status)),
      ),
    },
  };
}

function bodyOf(content: JsonObject, absent: string | undefined): JsonObject {
  return absent === undefined ? { required: true, content } : { required: false, description: absent, content };
}

type Told = readonly (readonly [name: string, example: Example])[];
interface Shown {
  name: string;
  type: string;
  summary: string;
  value: unknown;
}

const sent = (told: Told): Shown[] =>
  told.flatMap(([name, { summary, body, type = JSON_TYPE }]) =>
    body === undefined ? [] : [{ name, type, summary, value: body }],
  );
const got = (told: Told, status: number): Shown[] =>
  told.flatMap(([name, { summary, response: answer, accept = JSON_TYPE, status: its }]) =>
    its === status ? [{ name, type: accept, summary, value: answer }] : [],
  );

function parameterOf({ schema, ...parameter }: Parameter, told: Told): JsonObject {
  const examples = told.flatMap(([name, { summary, parameters }]) => {
    const value = parameters?.[parameter.name];
    return value === undefined ? [] : [[name, { summary, value }] as const];
  });
  return {
    ...parameter,
    required: parameter.in === "path",
    schema,
    // Viewers fill in what stands in `examples`: a question would be sent with an example's Idempotency-Key.
    ...(examples.length === 0
      ? {}
      : { [parameter.in === "path" ? "examples" : "x-examples"]: Object.fromEntries(examples) }),
  };
}

function answerOf(status: number, { description, headers = [], content, event }: OperationResponse, told: Told): JsonObject {
  if (content === undefined) return { description, headers: headersOf(headers) };
  const whole = contentOf(content, got(told, status));
  // OpenAPI 3.1 has no word for the events of a stream; 3.2 calls it itemSchema.
  if (event !== undefined) whole["text/event-stream"] = { ...whole["text/event-stream"], "x-item-schema": event };
  return { description, headers: headersOf(headers), content: whole };
}

function contentOf(schemas: Record<string, JsonObject>, shown: readonly Shown[]): Record<string, JsonObject> {
  return Object.fromEntries(
    Object.entries(schemas).map(([type, schema]) => {
      const examples = examplesOf(shown.filter((example) => example.type === type));
      return [type, { schema, ...(examples === undefined ? {} : { examples }) }];
    }),
  );
}

function examplesOf(shown: readonly Shown[]): JsonObject | undefined {
  if (shown.length === 0) return undefined;
  return Object.fromEntries(shown.map(({ name, summary, value }) => [name, { summary, value }]));
}
