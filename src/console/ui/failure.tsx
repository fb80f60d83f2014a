// The box that shows an error: the Worker's message, code and request id, or that the Worker can't be reached.
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
