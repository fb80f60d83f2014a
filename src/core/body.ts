// Reads a request's body whole: counted while it comes, given up at the deadline, refused where it is encoded. Parsing is json.ts's.
import { Problem } from "./problem.ts";

/**
 * @param maxBytes cap of caller and route
 * @param deadline fires when the sender has had its time
 * @throws Problem 408, 413, 415
 */
export async function readBody(request: Request, maxBytes: number, deadline: AbortSignal): Promise<Uint8Array> {
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null && encoding.trim().toLowerCase() !== "identity") {
    throw new Problem("unsupported_media_type", "Encoded bodies are not read here. Send the body without Content-Encoding.");
  }
  const declared = Number(request.headers.get("content-length") ?? 0);
  if (declared > maxBytes) throw tooLarge(maxBytes);
  if (request.body === null) return new Uint8Array(0);
  const late = new Promise<never>((_, reject) => {
    const fire = (): void => reject(new Problem("request_timeout", "The body did not arrive in time. Send it again, faster or smaller."));
    if (deadline.aborted) fire();
    else deadline.addEventListener("abort", fire, { once: true });
  });
  late.catch(() => undefined);
  return collect(
    request.body,
    maxBytes,
    (read) => Promise.race([read, late]),
    () => tooLarge(maxBytes),
  );
}

type Piece = { done: false; value: Uint8Array } | { done: true; value?: Uint8Array | undefined };

/**
 * All bytes of a stream, which is cancelled when they can't be had.
 * @param until waits for one read, or gives up by throwing
 * @param onTooLarge what to throw beyond `maxBytes`
 */
export async function collect(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  until: (read: Promise<Piece>) => Promise<Piece>,
  onTooLarge: () => Problem,
): Promise<Uint8Array> {
  const reader = stream.getReader();
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await until(reader.read());
      if (done) break;
      size += value.length;
      if (size > maxBytes) throw onTooLarge();
      pieces.push(value);
    }
  } catch (error) {
    reader.cancel().catch(() => undefined);
    throw error;
  }
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined) return only;
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}

function tooLarge(maxBytes: number): Problem {
  return new Problem(
    "payload_too_large",
    `The body is larger than ${maxBytes} bytes. Shorten it, or continue an earlier answer by its id.`,
  );
}
