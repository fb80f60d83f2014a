// Sends JSON requests other than questions to the Worker. Questions go through the typed client. Errors of both become a `Failure`.
import { AskError } from "../../client/client.ts";
import type { ProblemBody } from "../../contract/problem.ts";
import type { Account } from "./account.ts";

/** An error as the views show it. */
export interface Failure {
  message: string;
  code: string;
  /** Empty if there was no response, or if the response does not have the id. */
  requestId: string;
  /** HTTP status; 200 also for an error within a stream, 0 if no response arrived, the connection broke, or the error is the page's own. */
  status: number;
  /** Whether another try may help, and the Worker does not forbid it. */
  retryable: boolean;
}

class CallError extends Error {
  readonly failure: Failure;
  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/**
 * @param body sent as JSON by POST; omit it to send a GET
 * @throws CallError for every failure; `failureOf` reads it
 */
export async function call(account: Account, path: string, body?: object): Promise<unknown> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (account.credential !== undefined) headers["authorization"] = `Bearer ${account.credential}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const init: RequestInit = {
    method: body === undefined ? "GET" : "POST",
    headers,
    redirect: "error",
    cache: "no-store",
  };
  if (body !== undefined) init.body = JSON.stringify(body);
  const response = await fetch(path, init).catch(() => {
    throw new CallError({
      message: "The Worker can't be reached. Check the connection, then try again.",
      code: "unreachable",
      requestId: "",
      status: 0,
      retryable: true,
    });
  });
  const { status } = response;
  const json: unknown = await response.json().catch(() => null);
  if (response.ok && json !== null) return json;
  const retryable = response.headers.get("x-should-retry") !== "false";
  if (response.ok) {
    throw new CallError({
      message: "The response can't be read: it broke off, or it is not from the Worker.",
      code: "unexpected_response",
      requestId: response.headers.get("x-request-id") ?? "",
      status,
      retryable,
    });
  }
  const { error } = (json ?? {}) as Partial<ProblemBody>;
  throw new CallError({
    message: error?.message ?? `The Worker answered with status ${status}.`,
    code: error?.code ?? String(status),
    requestId: error?.request_id ?? "",
    status,
    retryable,
  });
}

export function failureOf(error: unknown): Failure {
  if (error instanceof CallError) return error.failure;
  if (error instanceof AskError) {
    const { message, code, requestId, status, retryable } = error;
    return { message, code, requestId, status, retryable };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { message, code: "unexpected", requestId: "", status: 0, retryable: false };
}
