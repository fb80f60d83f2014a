// What a schema found wrong with a request, as the answer that its caller gets: the field, and what it must be.
import type * as z from "zod/mini";
import { Problem } from "./problem.ts";
import { REFUSED_FIELDS } from "../../contract/ask.ts";

/** @throws Problem for a field that is refused for every caller. */
export function refuseField(name: string): void {
  if (!Object.hasOwn(REFUSED_FIELDS, name)) return;
  throw new Problem("unknown_parameter", `\`${name}\` is not supported here: ${REFUSED_FIELDS[name]}.`, {
    param: name,
  });
}

/** The first thing that a schema found wrong, as the answer to the caller. */
export function fieldProblem(issue: z.core.$ZodIssue | undefined): Problem {
  const param = pathOf(issue?.path ?? []);
  if (issue?.code === "unrecognized_keys") {
    const name = pathOf([...issue.path, issue.keys[0] ?? ""]);
    return new Problem(
      "unknown_parameter",
      `\`${name}\` is not a field of this request. Check its spelling or leave it out.`,
      {
        param: name,
      },
    );
  }
  return new Problem("invalid_request", `\`${param}\` ${expectation(issue)}.`, { param });
}

function expectation(issue: z.core.$ZodIssue | undefined): string {
  switch (issue?.code) {
    case "invalid_type":
      return `must be ${article(issue.expected)}`;
    case "too_small":
      return issue.origin === "number"
        ? `must be at least ${issue.minimum}${issue.inclusive === false ? " (exclusive)" : ""}`
        : "must not be empty";
    case "too_big":
      return `is too long or too large (at most ${issue.maximum})`;
    case "invalid_value":
      return `must be ${issue.values.map((value) => JSON.stringify(value)).join(" or ")}`;
    default:
      return "does not have the right form; see the request fields in the README";
  }
}

function article(expected: string): string {
  const names: Record<string, string> = {
    int: "a whole number",
    record: "an object",
    array: "a list",
    number: "a number",
    string: "a text",
    boolean: "true or false",
    object: "an object",
  };
  return names[expected] ?? expected;
}

/** `text.format.type`, `tools[0].type`: as OpenAI writes paths. */
function pathOf(path: readonly PropertyKey[]): string {
  let out = "";
  for (const step of path)
    out += typeof step === "number" ? `[${step}]` : out === "" ? String(step) : `.${String(step)}`;
  return out.slice(0, 120);
}
