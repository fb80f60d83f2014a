// An error as it is shown everywhere: what the Worker says (message, code, request id), or that it could not be reached.
import type { Failure } from "../lib/call.ts";

export function FailureBox({ failure }: { failure: Pick<Failure, "message" | "code" | "requestId"> }) {
  return (
    <div class="failure" role="alert">
      <p>{failure.message}</p>
      <p class="fine">
        <code>{failure.code}</code>
        {failure.requestId !== "" && (
          <>
            {" · request "}
            <code>{failure.requestId}</code>
          </>
        )}
      </p>
    </div>
  );
}
