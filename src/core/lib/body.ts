// Reads the complete body of a request or response. Counts the bytes while they arrive, stops at the deadline, and refuses encoded request
// bodies. json.ts parses the bytes.
import { concatBytes } from "./bytes.ts";
import { Problem } from "./problem.ts";

/** A body whose length is known and at most this many bytes is read into one buffer. If all bytes have arrived, that takes one read. */
const MAX_BUFFERED_BYTES = 262_144;

/** Waits for one read, or throws when the sender has used up its time. */
export type Deadline = <T>(read: Promise<T>) => Promise<T>;

/**
 * Reads the body of a request.
 * @param maxBytes the cap for this caller on this route
 * @throws Problem 408 (thrown by `deadline`), 413, 415
 */
export async function readBody(request: Request, maxBytes: number, deadline: Deadline): Promise<Uint8Array> {
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null && encoding.trim().toLowerCase() !== "identity") {
    throw new Problem(
      "unsupported_media_type",
      "This Worker does not accept encoded bodies. Send the body without Content-Encoding.",
    );
  }
  const declared = Number(request.headers.get("content-length") ?? 0);
  if (declared > maxBytes) throw tooLarge(maxBytes);
  if (declared === 0 || declared > MAX_BUFFERED_BYTES)
    return await readBytes(request, maxBytes, deadline, () => tooLarge(maxBytes));
  // A single deadline for the whole read is enough, because progress does not extend it. A read that misses it ends with the response.
  const bytes = await deadline(request.bytes());
  if (bytes.length > maxBytes) throw tooLarge(maxBytes);
  return bytes;
}

/**
 * Reads all bytes of a body.
 * @param onTooLarge creates the error that is thrown if there are more than `maxBytes`
 */
export async function readBytes(
  body: Pick<Request, "headers" | "body">,
  maxBytes: number,
  deadline: Deadline,
  onTooLarge: () => Problem,
): Promise<Uint8Array> {
  // Content-Length counts the encoded bytes, but decoded bytes are read.
  const length = body.headers.has("content-encoding") ? NaN : Number(body.headers.get("content-length") ?? NaN);
  if (body.body === null) return new Uint8Array(0);
  const isKnown = length > 0 && length <= Math.min(maxBytes, MAX_BUFFERED_BYTES);
  const reader = isKnown ? byteReader(body.body) : undefined;
  return reader === undefined
    ? await readToEnd(body.body, maxBytes, deadline, onTooLarge)
    : await readLength(reader, length, deadline);
}

/** @returns undefined if the stream was created in JavaScript without `type: "bytes"` */
function byteReader(stream: ReadableStream<Uint8Array>): ReadableStreamBYOBReader | undefined {
  try {
    return stream.getReader({ mode: "byob" });
  } catch {
    return undefined;
  }
}

/** Reads `length` bytes; HTTP ensures that no more follow. @returns fewer bytes only if the stream ends early */
async function readLength(reader: ReadableStreamBYOBReader, length: number, deadline: Deadline): Promise<Uint8Array> {
  let bytes = new Uint8Array(length);
  let size = 0;
  try {
    while (size < length) {
      const { done, value } = await deadline(reader.read(bytes.subarray(size)));
      // A BYOB read detaches the buffer that it was given. The returned view has the new one.
      if (value !== undefined) bytes = new Uint8Array(value.buffer);
      if (done) break;
      size += value.length;
    }
  } catch (error) {
    reader.cancel().catch(() => undefined);
    throw error;
  }
  return bytes.subarray(0, size);
}

/**
 * Reads all bytes of a stream. Cancels the stream on failure.
 * @param onTooLarge creates the error that is thrown if there are more than `maxBytes`
 */
export async function readToEnd(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  deadline: Deadline,
  onTooLarge: () => Problem,
): Promise<Uint8Array> {
  const reader = stream.getReader();
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await deadline(reader.read());
      if (done) break;
      size += value.length;
      if (size > maxBytes) throw onTooLarge();
      chunks.push(value);
    }
  } catch (error) {
    reader.cancel().catch(() => undefined);
    throw error;
  }
  const [only] = chunks;
  return chunks.length === 1 && only !== undefined ? only : concatBytes(chunks);
}

function tooLarge(maxBytes: number): Problem {
  return new Problem(
    "payload_too_large",
    `The body is larger than ${maxBytes} bytes. Shorten it, or continue an earlier answer by its id.`,
  );
}
