// Creates the messages of a ConfigError. For each issue of the schema, a message says which setting is wrong and what it must be.
import type * as z from "zod/mini";
import { must } from "./config-schema.ts";

/** The keys that lead from the config to a setting. */
export type Path = readonly PropertyKey[];
export type Report = (path: Path, message: string) => void;

/** Reports the issues of the schema. @param above the path of the value that was parsed */
export function reportIssues(issues: readonly z.core.$ZodIssue[], above: Path, report: Report): void {
  for (const issue of issues) {
    const path = [...above, ...issue.path];
    if (issue.code === "unrecognized_keys") {
      const messages = issue.message.split("\n");
      for (const [index, key] of issue.keys.entries())
        report([...path, key], messages[index] ?? "is not a setting: remove it");
      continue;
    }
    // If the value has the type of one form of a union, the mistakes in that form are more useful than the list of forms.
    const closestForm =
      issue.code === "invalid_union" ? issue.errors.find((branch) => !branch.some(hasWrongType)) : undefined;
    if (closestForm) reportIssues(closestForm, path, report);
    else report(path, issue.message);
  }
}

const hasWrongType = ({ path, code }: z.core.$ZodIssue) =>
  path.length === 0 && (code === "invalid_type" || code === "invalid_value");

const TYPE_NAMES: Record<string, string> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
};

/** The message for an issue whose schema has no message of its own. Zod's own messages would add a locale to the bundle. */
export function messageFor(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return must(TYPE_NAMES[issue.expected] ?? issue.expected, issue);
    case "invalid_value":
      return must(joinQuoted(issue.values, "or"), issue);
    case "too_small":
      if (issue.origin === "string" || issue.origin === "array") return "must not be empty";
      return must(`${issue.inclusive ? "at least" : "above"} ${issue.minimum}`, issue);
    case "too_big":
      return must(
        issue.origin === "string" ? `at most ${issue.maximum} characters long` : `at most ${issue.maximum}`,
        issue,
      );
    case "unrecognized_keys":
      return issue.keys.map(() => unknownKey(issue.inst)).join("\n");
    case "invalid_union":
      return must(
        [...new Set(issue.errors.map((branch) => branch[0]?.message.replace(/^must be /, "")))].join(" or "),
        issue,
      );
    default:
      return "does not have a valid form";
  }
}

function unknownKey(schema: z.core.$ZodRawIssue["inst"]): string {
  const known = schema !== undefined && "shape" in schema._zod.def ? Object.keys(schema._zod.def.shape as object) : [];
  return `is not a setting: remove it, or use one of ${known.join(", ")}`;
}

/** Formats a value as src/config.ts would have it. */
export const quote = (value: unknown) => JSON.stringify(value);
export const joinQuoted = (values: readonly unknown[], word: "and" | "or") =>
  [values.slice(0, -1).map(quote).join(", "), ...values.slice(-1).map(quote)]
    .filter((part) => part !== "")
    .join(` ${word} `);

/** Formats a path in the syntax of TypeScript, for example presets.support.fallback[0] or prices["gpt-6-sol"].input. */
export const formatPath = (path: Path) =>
  path
    .map((key) =>
      typeof key === "number"
        ? `[${key}]`
        : /^[a-z_$][\w$]*$/i.test(String(key))
          ? `.${String(key)}`
          : `[${quote(String(key))}]`,
    )
    .join("")
    .replace(/^\./, "");
