// Bodies come whole or not at all, in whatever pieces and under whatever length they were sent.
import fc from "fast-check";
import { expect, test } from "vitest";
import { readBytes, type Deadline } from "../../src/core/lib/body.ts";
import { Problem } from "../../src/core/lib/problem.ts";

const tooLarge = (): Problem => new Problem("payload_too_large", "too large");
const atOnce: Deadline = (read) => read;

interface Sent {
  body: ReadableStream<Uint8Array<ArrayBuffer>>;
  headers: Headers;
  cancelled: () => boolean;
}

/** @param asBytes a stream as networks give it; else one as JavaScript makes them @param more whether something may still come */
function sent(
  pieces: readonly Uint8Array[],
  { length, asBytes, more = false }: { length?: number; asBytes: boolean; more?: boolean },
): Sent {
  const rest = pieces.filter((piece) => piece.length > 0);
  let cancelled = false;
  const source = {
    pull(
      controller: ReadableStreamDefaultController<Uint8Array> | ReadableByteStreamController,
    ): Promise<void> | undefined {
      const piece = rest.shift();
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

test("every byte arrives, however the body was cut, whether its length was told and whatever kind of stream it is", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 40 })),
      fc.boolean(),
      fc.boolean(),
      async (pieces, told, asBytes) => {
        const whole = Buffer.concat(pieces);
        const { body, headers } = sent(pieces, { ...(told ? { length: whole.length } : {}), asBytes });
        expect(Buffer.from(await readBytes({ body, headers }, 10_000, atOnce, tooLarge)).equals(whole)).toBe(true);
      },
    ),
  );
});

test("a stream that ends before its length gives what came", async () => {
  const { body, headers } = sent([Uint8Array.of(1, 2)], { length: 5, asBytes: true });
  expect([...(await readBytes({ body, headers }, 10, atOnce, tooLarge))]).toEqual([1, 2]);
});

test("of an encoded body the length says nothing: what it became is counted", async () => {
  const { body, headers } = sent([new Uint8Array(6), new Uint8Array(6)], { length: 5, asBytes: true });
  headers.set("content-encoding", "gzip");
  await expect(readBytes({ body, headers }, 10, atOnce, tooLarge)).rejects.toThrow("too large");
});

test.each([true, false])("whoever gives up in the middle lets go of the stream (length told: %s)", async (told) => {
  const one = sent([Uint8Array.of(1)], { ...(told ? { length: 5 } : {}), asBytes: true, more: true });
  let reads = 0;
  const until: Deadline = (read) => ((reads += 1) > 1 ? Promise.reject(new Error("late")) : read);
  await expect(readBytes(one, 10, until, tooLarge)).rejects.toThrow("late");
  expect(one.cancelled()).toBe(true);
});
