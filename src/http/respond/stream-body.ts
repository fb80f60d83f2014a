// The body of a streamed response. A Source provides the pieces. This module does not know what they contain.

/** Provides the body of a stream, piece by piece. */
export interface Source {
  /**
   * Returns the next piece, or null at the end. Called again only after the previous promise has settled. If the promise rejects, the
   * connection breaks, so that the client sees no clean end.
   */
  next(): Promise<string | Uint8Array | null>;
  /** Called when the client has disconnected. */
  cancel(): void;
}

/** A comment (an SSE line that clients ignore), so that no proxy closes a silent connection. */
const PING = ": ping\n\n";
/** The shortest comment. The runtime reads it only after it has written the previous piece. */
const EMPTY_COMMENT = ":\n\n";
/** Milliseconds of silence before a ping: the longest time that a client should wait without receiving anything. */
export const PING_AFTER_MS = 5_000;

/**
 * Milliseconds between the last write and a failure. In workerd, a body that fails in the same turn of the event loop as its last write
 * loses that write. If it was the first write, the headers are lost, too: the client sees a lost connection, and SDKs call (and pay) again.
 */
const FLUSH_MS = 100;

/**
 * Creates a body that writes each piece of the source separately. It reads from the source no faster than the client reads (back-pressure),
 * and cancels the source as soon as the client disconnects.
 * @param silentSince when the client last received something or sent its request, in milliseconds since 1970
 * @param pings whether to send comments during silence. Only an event stream can contain comments
 */
export function liveBody(
  source: Source,
  now: () => number,
  { silentSince = now(), pings = true }: { silentSince?: number; pings?: boolean } = {},
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let lastWrite = silentSince;
  /** The source's error, with which the stream fails after the comment that follows the last event. */
  let failure: { error: unknown } | undefined;

  function stopPings(): void {
    if (timer !== undefined) clearTimeout(timer);
  }

  /** A write does not restart the timer. It only moves `lastWrite`, and the timer checks how long ago that was. */
  function schedulePing(controller: ReadableStreamDefaultController<Uint8Array>, inMs: number): void {
    timer = setTimeout(() => {
      const silence = now() - lastWrite;
      if (silence >= PING_AFTER_MS && (controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(PING));
      schedulePing(controller, silence >= PING_AFTER_MS ? PING_AFTER_MS : PING_AFTER_MS - silence);
    }, inMs);
  }

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        if (pings) schedulePing(controller, Math.max(0, lastWrite + PING_AFTER_MS - now()));
      },
      async pull(controller) {
        if (failure !== undefined) {
          await fail(controller, failure.error);
          return;
        }
        try {
          const piece = await source.next();
          if (piece === null) {
            stopPings();
            controller.close();
            return;
          }
          lastWrite = now();
          controller.enqueue(typeof piece === "string" ? encoder.encode(piece) : piece);
        } catch (error) {
          stopPings();
          if (!pings) {
            await fail(controller, error);
            return;
          }
          // The runtime calls `pull` again after it has read the comment. By then, the last event is on its way.
          failure = { error };
          controller.enqueue(encoder.encode(EMPTY_COMMENT));
        }
      },
      cancel() {
        stopPings();
        source.cancel();
      },
    },
    { highWaterMark: 1 },
  );
}

/** Fails the stream after FLUSH_MS. */
async function fail(controller: ReadableStreamDefaultController<Uint8Array>, error: unknown): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve, FLUSH_MS);
  });
  controller.error(error);
}
