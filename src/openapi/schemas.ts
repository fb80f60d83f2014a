// Generates `components.schemas` of the document from the schemas in src/contract, which check the requests and type the responses.
import * as z from "zod/mini";
import * as answers from "../contract/answer.ts";
import { Ask, JobRequest, ResponsesRequest } from "../contract/ask.ts";
import { Health } from "../contract/health.ts";
import * as jobs from "../contract/job.ts";
import { Model, ModelList } from "../contract/models.ts";
import { ProblemBody } from "../contract/problem.ts";
import { REQUEST_FIELDS } from "../contract/request-fields.ts";
import { DeletedResponse, InputItems, ResponseEvent, ResponseObject } from "../contract/response.ts";
import { SessionRequest, SessionToken, TurnstileExchange } from "../contract/session.ts";
import { UsageReport } from "../contract/usage.ts";
import { isRecord, type JsonObject } from "../core/lib/json.ts";
import { openAiErrorBody } from "../core/lib/openai-error.ts";
import { Problem, type ProblemCode, PROBLEMS } from "../core/lib/problem.ts";

const RESPONSES = {
  Answer: answers.Answer,
  Usage: answers.Usage,
  ToolCall: answers.ToolCall,
  Thread: answers.Thread,
  AskEvent: answers.AskEvent,
  Response: ResponseObject,
  ResponseEvent,
  DeletedResponse,
  InputItems,
  Model,
  ModelList,
  SessionToken,
  Health,
  UsageReport,
  JobView: jobs.JobView,
  JobAccepted: jobs.JobAccepted,
  HookResult: jobs.HookResult,
  Problem: ProblemBody,
};

export function schemaComponents(): JsonObject {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(RESPONSES)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, { uri: (id) => `#/components/schemas/${id}`, override: removeNoise });
  const responses = Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [name, withoutDocumentKeys(schema as JsonObject)]),
  );
  enumerateProblems(responses["Problem"]);
  return {
    AskRequest: requestSchema(allowNullForOptional(Ask), "description"),
    ResponsesRequest: requestSchema(ResponsesRequest, "responses"),
    SessionRequest: { anyOf: [requestSchema(SessionRequest), requestSchema(TurnstileExchange)] },
    JobRequest: requestSchema(allowNullForOptional(JobRequest), "description"),
    ...responses,
  };
}

/** Lets optional fields be null, since the Worker removes nulls from the body before it checks the body (core/request/read-ask.ts). */
function allowNullForOptional({ shape }: z.ZodMiniObject): z.ZodMiniObject {
  const fields = Object.entries(shape).map(([name, field]) => [
    name,
    field instanceof z.ZodMiniOptional ? z.optional(z.nullable(field.def.innerType)) : field,
  ]);
  return z.strictObject(Object.fromEntries(fields) as typeof shape);
}

/** @param column which column of REQUEST_FIELDS supplies the descriptions; omit it if the schema has its own */
function requestSchema(schema: z.ZodMiniObject, column?: "description" | "responses"): JsonObject {
  const json = withoutDocumentKeys(z.toJSONSchema(schema, { io: "input", override: removeNoise }));
  if (column === undefined) return json;
  const properties = Object.entries(json["properties"] as Record<string, JsonObject>);
  return {
    ...json,
    properties: Object.fromEntries(
      properties.map(([name, property]) => [name, { description: REQUEST_FIELDS.get(name)?.[column], ...property }]),
    ),
  };
}

/**
 * Removes constraints that mean nothing in JSON: object keys are always strings, and 53 bits are only the limit of JavaScript's integers.
 */
function removeNoise({ jsonSchema }: { jsonSchema: JsonObject }): void {
  delete jsonSchema["propertyNames"];
  if (jsonSchema["maximum"] === Number.MAX_SAFE_INTEGER) delete jsonSchema["maximum"];
  if (jsonSchema["minimum"] === Number.MIN_SAFE_INTEGER) delete jsonSchema["minimum"];
}

/** Removes the keys that only a standalone JSON Schema document has. */
function withoutDocumentKeys({ $schema: _schema, $id: _id, ...schema }: JsonObject): JsonObject {
  return schema;
}

/**
 * Adds the values of an error's `type` and `code`, which are plain strings in src/contract. `type` gets an enum. `code` gets only examples,
 * because a 400 may have a code of UniAPI.
 */
function enumerateProblems(schema: unknown): void {
  const error = (schema as { properties: { error: { properties: Record<string, JsonObject> } } }).properties.error
    .properties;
  const type = error["type"];
  const code = error["code"];
  if (!isRecord(type) || !isRecord(code))
    throw new Error("contract/problem.ts no longer has error.type and error.code");
  const problems = (Object.keys(PROBLEMS) as ProblemCode[]).map((name) => new Problem(name, ""));
  const bodies = problems.flatMap((problem) => [problem.body("").error, openAiErrorBody(problem, "").error]);
  type["enum"] = [...new Set(bodies.map((body) => body.type))];
  code["examples"] = [...new Set(bodies.map((body) => body.code))];
}
