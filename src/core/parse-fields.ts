// A body against its schema, at the cost of the fields that it has: zod asks for each field that it knows, and requests have few of
// them. What is wrong with one that does not fit is zod's to say.
import * as z from "zod/mini";
import { fieldProblem } from "./field-problem.ts";
import type { JsonObject } from "./json.ts";

/**
 * @param schema of an object whose fields are judged one by one, and changed by none of them
 * @returns a function that gives the fields in an object of their own, or @throws Problem naming the first that does not fit
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
    const isFine = required.every((name) => fields[name] !== undefined) && Object.keys(fields).every((name) => fits(name, fields[name]));
    if (isFine) return { ...fields } as z.infer<S>;
    const parsed = schema.safeParse(fields);
    if (!parsed.success) throw fieldProblem(parsed.error.issues[0]);
    return parsed.data;
  };
}
