// Fields against the schema of their object. Of a body that came as JSON each field is judged by itself, at the cost of those that it
// has: zod asks for each field that it knows, and requests have few. What is wrong with one that does not fit is zod's to say.
import * as z from "zod/mini";
import { fieldProblem } from "./field-problem.ts";
import type { JsonObject } from "./json.ts";

/** All of them at once: what comes back is made anew. For what code has made, which may not be as plain as JSON is. @throws Problem naming a field */
export function parseWhole<S extends z.ZodMiniObject>(schema: S, fields: JsonObject): z.infer<S> {
  const parsed = schema.safeParse(fields);
  if (!parsed.success) throw fieldProblem(parsed.error.issues[0]);
  return parsed.data;
}

/**
 * For JSON: what stands in a field comes back as it is.
 * @returns a function that gives the fields in an object of their own, or @throws Problem naming one that does not fit
 */
export function fieldsParser<S extends z.ZodMiniObject>(schema: S): (fields: JsonObject) => z.infer<S> {
  const { shape, catchall } = schema.def;
  const known = new Map<string, z.core.$ZodType>(Object.entries(shape));
  const required = [...known].flatMap(([name, field]) => (z.safeParse(field, undefined).success ? [] : [name]));
  const fits = (name: string, value: unknown): boolean => {
    const field = known.get(name) ?? catchall;
    return field !== undefined && z.safeParse(field, value).success;
  };
  return (fields) => {
    const isFine =
      required.every((name) => fields[name] !== undefined) &&
      Object.keys(fields).every((name) => fits(name, fields[name]));
    return isFine ? ({ ...fields } as z.infer<S>) : parseWhole(schema, fields);
  };
}
