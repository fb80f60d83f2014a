// Settings of the Worker as text: lists, and how a wrong one is told: by its name, never by its value.
import { Problem } from "../lib/problem.ts";

/** The entries of a setting that is a list separated by commas. */
export function entriesOf(value: string | undefined): string[] {
  return (value ?? "")
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

/** @param what continues "This Worker's setting NAME …" */
export function misconfigured(setting: string, what: string): Problem {
  return new Problem("misconfigured", `This Worker's setting ${setting} ${what}.`, { reason: setting });
}
