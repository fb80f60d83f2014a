// Text settings of the Worker: lists, and the problem for a wrong one, which contains its name and never its value.
import { Problem } from "../lib/problem.ts";

/** The entries of a list separated by commas. */
export function entriesOf(value: string | undefined): string[] {
  return (value ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

/**
 * Problem 503 for a setting that is missing or wrong.
 * @param what continues "This Worker's setting NAME …"
 * @param options `cause`: what the deployer's own function has thrown; its stack is logged
 */
export function misconfigured(setting: string, what: string, options?: ErrorOptions): Problem {
  return new Problem("misconfigured", `This Worker's setting ${setting} ${what}.`, { reason: setting }, options);
}
