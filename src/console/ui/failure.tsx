// A box that shows an error: its message, its code and the request id, if there was a response.
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
