// The schemas of the document, made of those that the code is held to: requests of the ones that check them, answers of the ones that
// the types of answers come from. A field is described here or there; one that isn't described does not compile.
import * as z from "zod/mini";
import * as answers from "../contract/answer.ts";
import * as jobs from "../contract/job.ts";
import type { JsonObject } from "../core/lib/json.ts";
import { isRecord } from "../core/lib/json.ts";
import { PROBLEMS } from "../core/lib/problem.ts";
import { ProblemBody } from "../contract/problem.ts";
import { Health } from "../contract/health.ts";
import { ModelList } from "../contract/models.ts";
import { Ask, ResponsesRequest } from "../contract/ask.ts";
import { DeletedResponse, InputItems, ResponseEvent, ResponseObject } from "../contract/response.ts";
import { UsageReport } from "../contract/usage.ts";
import { ASK_FIELDS, EXCHANGE_FIELDS, RESPONSES_FIELDS, SESSION_FIELDS } from "./fields.ts";
import { TurnstileExchange, SessionToken, SessionRequest } from "../contract/session.ts";

const ANSWERS = {
  Answer: answers.Answer,
  Usage: answers.Usage,
  ToolCall: answers.ToolCall,
  Thread: answers.Thread,
  AskEvent: answers.AskEvent,
  Response: ResponseObject,
  ResponseEvent,
  DeletedResponse,
  InputItems,
  ModelList,
  SessionToken,
  Health,
  UsageReport,
  JobView: jobs.JobView,
  JobAccepted: jobs.JobAccepted,
  HookResult: jobs.HookResult,
  Problem: ProblemBody,
};

/** The body of POST /jobs (core/read-job.ts): an Ask that can't stream, and whom to tell. */
const JobRequest = z.strictObject({ ...z.omit(Ask, { stream: true }).shape, callback: z.optional(z.string()) });
const { stream: _, ...ASK_FIELDS_OF_JOBS } = ASK_FIELDS;
const CALLBACK = "Name in `callbacks` of the config: the answer is posted there. Absent: read the job by its id.";

/** `components.schemas`. */
export function schemaComponents(): JsonObject {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(ANSWERS)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, { uri: (id) => `#/components/schemas/${id}`, override: tidy });
  const shown = Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [name, plain(schema as JsonObject)]),
  );
  narrowProblem(shown["Problem"]);
  return {
    AskRequest: request(orNull(Ask), ASK_FIELDS),
    ResponsesRequest: request(ResponsesRequest, RESPONSES_FIELDS),
    SessionRequest: { anyOf: [request(SessionRequest, SESSION_FIELDS), request(TurnstileExchange, EXCHANGE_FIELDS)] },
    JobRequest: request(orNull(JobRequest), { ...ASK_FIELDS_OF_JOBS, callback: CALLBACK }),
    ...shown,
  };
}

/** As it is sent to code that drops nulls before it looks (core/read-ask.ts): what may be absent may be null. */
function orNull<Schema extends z.ZodMiniObject>({ shape }: Schema): Schema {
  const sent = Object.entries(shape).map(([name, field]) => [
    name,
    field instanceof z.ZodMiniOptional ? z.optional(z.nullable(field.def.innerType)) : field,
  ]);
  return z.strictObject(Object.fromEntries(sent) as typeof shape) as z.ZodMiniObject as Schema;
}

/** @param fields what each means */
function request<Schema extends z.ZodMiniObject>(
  schema: Schema,
  fields: Record<keyof z.output<Schema>, string>,
): JsonObject {
  const json = plain(z.toJSONSchema(schema, { io: "input", override: tidy }));
  const properties = json["properties"] as Record<string, JsonObject>;
  for (const [name, description] of Object.entries<string>(fields))
    properties[name] = { description, ...properties[name] };
  return json;
}

/** Leaves out what only says that JSON has keys of text and JavaScript whole numbers of 53 bits. */
function tidy({ jsonSchema }: { jsonSchema: JsonObject }): void {
  delete jsonSchema["propertyNames"];
  if (jsonSchema["maximum"] === Number.MAX_SAFE_INTEGER) delete jsonSchema["maximum"];
  if (jsonSchema["minimum"] === Number.MIN_SAFE_INTEGER) delete jsonSchema["minimum"];
}

/** Without what only a schema that stands alone has. */
function plain({ $schema: _schema, $id: _id, ...schema }: JsonObject): JsonObject {
  return schema;
}

/** What is text to the code is one of a list to the reader. `code` stays open: a 400 can carry UniAPI's own. */
function narrowProblem(schema: unknown): void {
  const error = (schema as { properties: { error: { properties: Record<string, JsonObject> } } }).properties.error
    .properties;
  const type = error["type"];
  const code = error["code"];
  if (!isRecord(type) || !isRecord(code)) throw new Error("the error envelope has another form");
  type["enum"] = [...new Set(Object.values(PROBLEMS).map(([, its]) => its))];
  code["examples"] = Object.keys(PROBLEMS);
}
