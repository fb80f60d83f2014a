// Checks an object's fields against a schema, and turns the first mistake into a Problem that names the field.
import * as z from "zod/mini";
import { REFUSED_FIELDS } from "../../contract/request-fields.ts";
import type { JsonObject } from "./json.ts";
import { Problem } from "./problem.ts";
import { startOf } from "./text.ts";

/**
 * Checks all fields and returns a copy. Unlike `jsonFieldsParser`, it also handles values that JSON does not have, which objects made by
 * code can contain.
 * @throws Problem 400 that names the first wrong field
 */
export function parseFields<S extends z.ZodMiniObject>(schema: S, fields: JsonObject): z.infer<S> {
  const parsed = schema.safeParse(shortenWrongLists(schema, fields));
  if (!parsed.success) throw fieldProblem(parsed.error.issues[0], fields);
  return parsed.data;
}

/** How many elements of a list are checked at once. */
const SLICE = 64;

/**
 * Finds where to stop checking a list, because zod makes an issue for every wrong element, and a list can have many thousands.
 * @returns the end of the first slice with a wrong element; undefined if every slice is valid, or if the list is short
 */
function endOfWrongSlice(field: z.core.$ZodType, list: readonly unknown[]): number | undefined {
  if (list.length <= SLICE) return undefined;
  for (let at = 0; at < list.length; at += SLICE)
    if (!z.safeParse(field, list.slice(at, at + SLICE)).success) return at + SLICE;
  return undefined;
}

/** Removes from each long list what follows its first wrong slice. The first wrong element and its index remain. */
function shortenWrongLists({ def: { shape } }: z.ZodMiniObject, fields: JsonObject): JsonObject {
  const shortened = { ...fields };
  for (const [name, field] of Object.entries<z.core.$ZodType>(shape)) {
    const list = shortened[name];
    if (Array.isArray(list)) shortened[name] = list.slice(0, endOfWrongSlice(field, list));
  }
  return shortened;
}

/**
 * Creates a faster `parseFields` for parsed JSON. It checks only the fields that are present, while zod visits every field of the schema.
 * It does not copy values.
 * @returns a function that returns the fields in a new object, and throws as `parseFields` does
 */
export function jsonFieldsParser<S extends z.ZodMiniObject>(schema: S): (fields: JsonObject) => z.infer<S> {
  const { shape, catchall } = schema.def;
  const known = new Map<string, z.core.$ZodType>(Object.entries(shape));
  const required = [...known].flatMap(([name, field]) => (z.safeParse(field, undefined).success ? [] : [name]));
  const isValid = (name: string, value: unknown): boolean => {
    const field = known.get(name) ?? catchall;
    if (field === undefined) return false;
    if (Array.isArray(value) && value.length > SLICE) return endOfWrongSlice(field, value) === undefined;
    return z.safeParse(field, value).success;
  };
  return (fields) => {
    const areValid =
      required.every((name) => fields[name] !== undefined) &&
      Object.keys(fields).every((name) => isValid(name, fields[name]));
    // On a mistake, parseFields throws the error with the field's name.
    return areValid ? ({ ...fields } as z.infer<S>) : parseFields(schema, fields);
  };
}

/** @throws Problem unknown_parameter for a field that is refused for every caller */
export function assertNotRefused(name: string): void {
  if (!Object.hasOwn(REFUSED_FIELDS, name)) return;
  throw new Problem("unknown_parameter", `\`${name}\` is not supported here: ${REFUSED_FIELDS[name]}.`, {
    param: name,
  });
}

/**
 * Converts a schema's issue into a Problem that names the field and says what it must be.
 * @param fields the fields that were checked
 */
export function fieldProblem(issue: z.core.$ZodIssue | undefined, fields: JsonObject): Problem {
  const param = pathOf(issue?.path ?? []);
  if (issue?.code === "unrecognized_keys") {
    const name = pathOf([...issue.path, issue.keys[0] ?? ""]);
    return new Problem(
      "unknown_parameter",
      `\`${name}\` is not a field of this request. Check its spelling or leave it out.`,
      { param: name },
    );
  }
  return new Problem("invalid_request", `\`${param}\` ${expectation(issue, fields)}.`, { param });
}

function expectation(issue: z.core.$ZodIssue | undefined, fields: JsonObject): string {
  // A BigInt has another type than a schema for numbers expects. To the caller, its value is wrong, not its type.
  if (issue?.code === "invalid_type" && (issue.expected === "number" || issue.expected === "int")) {
    const value = issue.path.reduce<unknown>((parent, step) => (parent as JsonObject)[String(step)], fields);
    if (typeof value === "bigint") return "must be a number between -9007199254740991 and 9007199254740991";
  }
  switch (issue?.code) {
    case "invalid_type":
      return `must be ${TYPE_NAMES[issue.expected] ?? issue.expected}`;
    case "too_small":
      return issue.origin === "number"
        ? `must be at least ${issue.minimum}${issue.inclusive === false ? " (exclusive)" : ""}`
        : "must not be empty";
    case "too_big":
      return `is too long or too large (at most ${issue.maximum})`;
    case "invalid_value":
      return `must be ${issue.values.map((value) => JSON.stringify(value)).join(" or ")}`;
    default:
      return "does not have a valid form; see the request fields in /docs";
  }
}

const TYPE_NAMES: Record<string, string> = {
  int: "a whole number",
  record: "an object",
  array: "a list",
  number: "a number",
  string: "a string",
  boolean: "true or false",
  object: "an object",
};

/** Writes a path as OpenAI does, such as `text.format.type` or `tools[0].type`, in at most 120 characters. */
function pathOf(path: readonly PropertyKey[]): string {
  let out = "";
  for (const step of path)
    out += typeof step === "number" ? `[${step}]` : out === "" ? String(step) : `.${String(step)}`;
  return startOf(out, 120);
}
