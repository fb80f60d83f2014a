// Reads a request's body whole: counted while it comes, given up at the deadline, refused where it is encoded. Parsing is json.ts's.
import { Problem } from "./problem.ts";

/** A body of a known length, up to this one, is read into its place: one read, where bytes that are sent together came together. */
const KNOWN_BYTES = 262_144;

/** Waits for one read, or gives up by throwing. */
export type Deadline = <T>(read: Promise<T>) => Promise<T>;

/**
 * @param maxBytes cap of caller and route
 * @param until throws when the sender has had its time
 * @throws Problem 408, 413, 415
 */
export async function readBody(request: Request, maxBytes: number, until: Deadline): Promise<Uint8Array> {
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null && encoding.trim().toLowerCase() !== "identity") {
    throw new Problem(
      "unsupported_media_type",
      "Encoded bodies are not read here. Send the body without Content-Encoding.",
    );
  }
  const declared = Number(request.headers.get("content-length") ?? 0);
  if (declared > maxBytes) throw tooLarge(maxBytes);
  if (declared === 0 || declared > KNOWN_BYTES)
    return await readBytes(request, maxBytes, until, () => tooLarge(maxBytes));
  // A sender's time is for the whole body: nobody asks how far it has come, and the answer ends what is still under way.
  const bytes = await until(request.bytes());
  if (bytes.length > maxBytes) throw tooLarge(maxBytes);
  return bytes;
}

/**
 * All bytes of a body.
 * @param onTooLarge what to throw beyond `maxBytes`
 */
export async function readBytes(
  body: Pick<Request, "headers" | "body">,
  maxBytes: number,
  until: Deadline,
  onTooLarge: () => Problem,
): Promise<Uint8Array> {
  // Of what is encoded the length says nothing.
  const length = body.headers.has("content-encoding") ? NaN : Number(body.headers.get("content-length") ?? NaN);
  if (body.body === null) return new Uint8Array(0);
  const isKnown = length > 0 && length <= Math.min(maxBytes, KNOWN_BYTES);
  const reader = isKnown ? byteReader(body.body) : undefined;
  return reader === undefined
    ? await collect(body.body, maxBytes, until, onTooLarge)
    : await fill(reader, length, until);
}

/** undefined for a stream of another kind, as JavaScript makes them. */
function byteReader(stream: ReadableStream<Uint8Array>): ReadableStreamBYOBReader | undefined {
  try {
    return stream.getReader({ mode: "byob" });
  } catch {
    return undefined;
  }
}

/** HTTP itself sees to it that there are no more. @returns fewer only where the stream ends before its length */
async function fill(reader: ReadableStreamBYOBReader, length: number, until: Deadline): Promise<Uint8Array> {
  let bytes = new Uint8Array(length);
  let size = 0;
  try {
    while (size < length) {
      const { done, value } = await until(reader.read(bytes.subarray(size)));
      // The place comes back with what was read: its buffer is another one each time.
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
 * All bytes of a stream, which is cancelled when they can't be had.
 * @param onTooLarge what to throw beyond `maxBytes`
 */
export async function collect(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
  until: Deadline,
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
