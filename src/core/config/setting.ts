// Helpers for string settings: splitting lists, and the 503 for an invalid setting. The error names the setting but never shows its value.
import { Problem } from "../lib/problem.ts";

/** Splits a list that is separated by commas. Omits empty entries. */
export function entriesOf(value: string | undefined): string[] {
  return (value ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

/**
 * The problem 503 for a setting that is missing or invalid.
 * @param what continues the sentence "This Worker's setting NAME …"
 * @param options `cause` is the value that the deployer's own function threw; its stack is logged
 */
export function misconfigured(setting: string, what: string, options?: ErrorOptions): Problem {
  return new Problem("misconfigured", `This Worker's setting ${setting} ${what}.`, { reason: setting }, options);
}
