// Calls that are no question: one JSON in, one JSON out. Questions go through the typed client; errors of both are shown alike.
import { AskError } from "../../client/client.ts";
import type { Account } from "./account.ts";

/** What went wrong, as it is shown. */
export interface Failure {
  message: string;
  code: string;
  /** Empty where no answer came. */
  requestId: string;
}

class CallFailed extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

export async function call(account: Account, path: string, body?: object): Promise<unknown> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (account.credential !== undefined) headers["authorization"] = `Bearer ${account.credential}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const init: RequestInit = { method: body === undefined ? "GET" : "POST", headers, redirect: "error", cache: "no-store" };
  if (body !== undefined) init.body = JSON.stringify(body);
  const response = await fetch(path, init).catch(() => {
    throw new CallFailed({
      message: "The Worker can't be reached. Check the connection, then try again.",
      code: "unreachable",
      requestId: "",
    });
  });
  const said: unknown = await response.json().catch(() => null);
  if (response.ok) return said;
  const { error } = (said ?? {}) as { error?: { message: string; code: string; request_id: string } };
  throw new CallFailed({
    message: error?.message ?? `The Worker answered with status ${response.status}.`,
    code: error?.code ?? String(response.status),
    requestId: error?.request_id ?? "",
  });
}

/** Codes of a Worker that could not be heard: what it was asked may go on all the same. */
export const OUT_OF_REACH: ReadonlySet<string> = new Set([
  "connection_lost",
  "unreachable",
  "unavailable",
  "rate_limited",
  "budget_exceeded",
]);

export function failureOf(error: unknown): Failure {
  if (error instanceof CallFailed) return error.failure;
  if (error instanceof AskError) return { message: error.message, code: error.code, requestId: error.requestId };
  return { message: error instanceof Error ? error.message : String(error), code: "unexpected", requestId: "" };
}
