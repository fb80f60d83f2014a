// Reads the fields of upstream's errors, whichever form its many backends give them.
import { isRecord } from "../lib/json.ts";

/** The fields of an error as upstream sent them. A missing field is "". */
export interface ErrorFields {
  code: string;
  type: string;
  param: string;
  message: string;
}

/** Reads the fields of `{error:{…}}`, of a flat `error` event, or of the bare `{message}` that some relays send. A missing field is "". */
export function errorFields(body: unknown): ErrorFields {
  const outer = isRecord(body) ? body : {};
  const error = isRecord(outer["error"]) ? outer["error"] : outer;
  const field = (name: string): string => {
    const value = error[name];
    return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
  };
  const message = typeof outer["error"] === "string" ? outer["error"] : field("message");
  return { code: field("code"), type: field("type"), param: field("param"), message };
}
