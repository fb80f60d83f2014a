// Calls that are no question: one JSON in, one JSON out. Questions go through the typed client; errors of both are shown alike.
import { AskError } from "../../client/client.ts";
import type { Account } from "./account.ts";

/** What went wrong, as it is shown. */
export interface Failure {
  message: string;
  code: string;
  /** Empty where no answer came. */
  requestId: string;
  /** HTTP status; 200 within a stream, 0 where no answer came. */
  status: number;
  /** Whether the Worker says that it may be tried again. */
  retryable: boolean;
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
  const init: RequestInit = {
    method: body === undefined ? "GET" : "POST",
    headers,
    redirect: "error",
    cache: "no-store",
  };
  if (body !== undefined) init.body = JSON.stringify(body);
  const response = await fetch(path, init).catch(() => {
    throw new CallFailed({
      message: "The Worker can't be reached. Check the connection, then try again.",
      code: "unreachable",
      requestId: "",
      status: 0,
      retryable: true,
    });
  });
  const { status } = response;
  const said: unknown = await response.json().catch(() => null);
  if (response.ok && said !== null) return said;
  const retryable = response.headers.get("x-should-retry") !== "false";
  if (response.ok) {
    const message = "What came can't be read: it broke off, or it is no answer of the Worker's.";
    throw new CallFailed({
      message,
      code: "unexpected_response",
      requestId: response.headers.get("x-request-id") ?? "",
      status,
      retryable,
    });
  }
  const { error } = (said ?? {}) as { error?: { message: string; code: string; request_id: string } };
  throw new CallFailed({
    message: error?.message ?? `The Worker answered with status ${status}.`,
    code: error?.code ?? String(status),
    requestId: error?.request_id ?? "",
    status,
    retryable,
  });
}

export function failureOf(error: unknown): Failure {
  if (error instanceof CallFailed) return error.failure;
  if (error instanceof AskError) {
    const { message, code, requestId, status, retryable } = error;
    return { message, code, requestId, status, retryable };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { message, code: "unexpected", requestId: "", status: 0, retryable: false };
}
