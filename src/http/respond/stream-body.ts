// The body of a streamed response. A Source provides the pieces; this module does not know what they contain.

/** Provides what a stream sends, piece by piece. */
export interface Source {
  /**
   * The next piece; null at the end. Called again only after it has settled. If it rejects, the connection breaks, so that the client sees
   * no clean end.
   */
  next(): Promise<string | Uint8Array | null>;
  /** The client has disconnected. */
  cancel(): void;
}

/** A comment that keeps the connection and its proxies awake. */
const PING = ": ping\n\n";
/** Milliseconds of silence before a ping: as long as a client should have to wait for a sign of life. */
export const PING_AFTER_MS = 5_000;

/**
 * Milliseconds between the last write and a failure. In workerd, a body that fails in the same turn of the event loop in which it wrote
 * loses that write, and the headers too if it was the first: the client would see a lost connection, and SDKs would call (and pay) again.
 */
const FLUSH_MS = 20;

/**
 * One write per piece. Reads no faster than the client does (back-pressure), and tells the source at once when the client
 * disconnects.
 * @param silentSince when the client last received something, or sent its request, in milliseconds
 * @param pings whether to send comments during silence; only an event stream has comments
 */
export function liveBody(
  source: Source,
  now: () => number,
  { silentSince = now(), pings = true }: { silentSince?: number; pings?: boolean } = {},
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let lastWrite = silentSince;

  function stopPings(): void {
    if (timer !== undefined) clearTimeout(timer);
  }

  /** A write only moves `lastWrite`; the timer checks how long ago that was. */
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
          await new Promise((resolve) => {
            setTimeout(resolve, FLUSH_MS);
          });
          controller.error(error);
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
