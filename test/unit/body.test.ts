// A body is read to its end or refused, regardless of its chunks and its declared length.
import fc from "fast-check";
import { expect, test } from "vitest";
import { readBytes, type Deadline } from "../../src/core/lib/body.ts";
import { Problem } from "../../src/core/lib/problem.ts";

const tooLarge = (): Problem => new Problem("payload_too_large", "too large");
const noDeadline: Deadline = (read) => read;

interface SentBody {
  body: ReadableStream<Uint8Array<ArrayBuffer>>;
  headers: Headers;
  cancelled: () => boolean;
}

/**
 * @param asBytes a byte stream, as from the network; else a default stream, as from JavaScript
 * @param more the stream stays open after the last chunk
 */
function streamOf(
  pieces: readonly Uint8Array[],
  { length, asBytes, more = false }: { length?: number; asBytes: boolean; more?: boolean },
): SentBody {
  const remaining = pieces.filter((piece) => piece.length > 0);
  let cancelled = false;
  const source = {
    pull(
      controller: ReadableStreamDefaultController<Uint8Array> | ReadableByteStreamController,
    ): Promise<void> | undefined {
      const piece = remaining.shift();
      if (piece !== undefined) controller.enqueue(piece.slice());
      else if (more) return new Promise(() => undefined);
      else {
        controller.close();
        if ("byobRequest" in controller) controller.byobRequest?.respond(0);
      }
      return undefined;
    },
    cancel: () => void (cancelled = true),
  };
  const body = asBytes
    ? new ReadableStream({ ...source, type: "bytes" as const })
    : new ReadableStream<Uint8Array>(source);
  return {
    body: body as ReadableStream<Uint8Array<ArrayBuffer>>,
    headers: new Headers(length === undefined ? {} : { "content-length": String(length) }),
    cancelled: () => cancelled,
  };
}

test("every byte is read for any chunking, with and without a declared length, from both kinds of stream", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 40 })),
      fc.boolean(),
      fc.boolean(),
      async (pieces, hasLength, asBytes) => {
        const bytes = Buffer.concat(pieces);
        const { body, headers } = streamOf(pieces, { ...(hasLength ? { length: bytes.length } : {}), asBytes });
        expect(Buffer.from(await readBytes({ body, headers }, 10_000, noDeadline, tooLarge)).equals(bytes)).toBe(true);
      },
    ),
  );
});

test("a stream that ends before its declared length gives the bytes that arrived", async () => {
  const { body, headers } = streamOf([Uint8Array.of(1, 2)], { length: 5, asBytes: true });
  expect([...(await readBytes({ body, headers }, 10, noDeadline, tooLarge))]).toEqual([1, 2]);
});

test("the length of an encoded body is ignored, and decoded bytes are counted", async () => {
  const { body, headers } = streamOf([new Uint8Array(6), new Uint8Array(6)], { length: 5, asBytes: true });
  headers.set("content-encoding", "gzip");
  await expect(readBytes({ body, headers }, 10, noDeadline, tooLarge)).rejects.toThrow("too large");
});

test.each([true, false])("a missed deadline cancels the stream (with a declared length: %s)", async (hasLength) => {
  const slow = streamOf([Uint8Array.of(1)], { ...(hasLength ? { length: 5 } : {}), asBytes: true, more: true });
  let reads = 0;
  const deadline: Deadline = (read) => ((reads += 1) > 1 ? Promise.reject(new Error("late")) : read);
  await expect(readBytes(slow, 10, deadline, tooLarge)).rejects.toThrow("late");
  expect(slow.cancelled()).toBe(true);
});
