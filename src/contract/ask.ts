// The bodies of POST /ask, POST /jobs and POST /v1/responses as schemas, built from the table of request fields.
import * as z from "zod/mini";
import { OWN_FIELDS, type RequestField, UPSTREAM_FIELDS } from "./request-fields.ts";

const FIELDS = { ...UPSTREAM_FIELDS, ...OWN_FIELDS };
type Fields = typeof FIELDS;

type SchemaOf<Row, Column extends keyof RequestField> =
  Row extends Record<Column, infer S extends z.ZodMiniType>
    ? S
    : Row extends { schema: infer S extends z.ZodMiniType }
      ? S
      : never;

/** Takes one schema from each row: the one in `column`, or `schema` if the row has no such column. */
function schemasOf<
  Rows extends Record<string, RequestField>,
  Column extends "schema" | "askSchema" | "responsesSchema",
>(rows: Rows, column: Column): { [Name in keyof Rows]: SchemaOf<Rows[Name], Column> } {
  const schemas = Object.entries(rows).map(([name, row]) => [name, row[column] ?? row.schema]);
  return Object.fromEntries(schemas) as ReturnType<typeof schemasOf<Rows, Column>>;
}

/** The upstream fields that presets, `defaults` and a composed request may have. */
export const UpstreamFields = z.partial(z.strictObject(schemasOf(UPSTREAM_FIELDS, "schema")));
export type UpstreamFields = z.infer<typeof UpstreamFields>;

const { callback, ...askFields } = schemasOf(FIELDS, "askSchema");

/** The body of POST /ask, without nulls. SDKs send null for a field that is not set, so nulls are removed before this check. */
export const Ask = z.strictObject({ ...z.partial(z.object(askFields)).shape, input: askFields.input });
export type Ask = z.infer<typeof Ask>;

/** The body of POST /ask as a client sends it: null and undefined mean that a field is not set. */
export type AskBody = Pick<Ask, "input"> & {
  [Name in Exclude<keyof Ask, "input">]?: Ask[Name] | null | undefined;
};

/** The body of POST /jobs, without nulls. It has no `stream`, because a job's answer can't be streamed. */
export const JobRequest = z.strictObject({ ...z.omit(Ask, { stream: true }).shape, callback: z.optional(callback) });

type ResponsesFields = {
  [Name in keyof Fields as Fields[Name] extends { responses: string } ? Name : never]: z.ZodMiniOptional<
    z.ZodMiniNullable<SchemaOf<Fields[Name], "responsesSchema">>
  >;
};

const responsesFields = Object.fromEntries(
  Object.entries<RequestField>(FIELDS).flatMap(([name, { responses, responsesSchema, schema }]) =>
    responses === undefined ? [] : [[name, z.optional(z.nullable(responsesSchema ?? schema))]],
  ),
) as ResponsesFields;

/**
 * The body of POST /v1/responses. Only fields that the Worker itself reads are checked; unknown fields are accepted. A restricted caller's
 * fields are checked later (core/request/restrict.ts). Nulls are not removed, because upstream gives them a meaning.
 */
export const ResponsesRequest = z.looseObject(responsesFields);
export type ResponsesRequest = z.infer<typeof ResponsesRequest>;
