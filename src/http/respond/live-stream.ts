// A body that is written as its source speaks: one write per word of the source, pings while it is silent, back-pressure passed on
// (nothing is read that nobody takes), and a client who leaves is passed on at once.

/** What is said next, null at the end. Rejecting breaks the connection: the client must not take it for a clean end. */
export interface Source {
  next(): Promise<string | Uint8Array | null>;
  /** The client has left. */
  cancel(): void;
}

export interface Ping {
  text: string;
  /** Milliseconds of silence before one is sent. */
  afterMs: number;
}

/**
 * A body that breaks in the same turn in which it spoke takes its last words with it in workerd, and the headers too if they were
 * the first: the client would see a lost connection, and SDKs would ask (and pay) again.
 */
const LAST_WORDS_MS = 20;

/** @param silentSince when the client last heard of us, or asked */
export function liveStream(
  source: Source,
  ping: Ping | undefined,
  now: () => number,
  silentSince: number = now(),
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let spokeAt = silentSince;
  const stop = (): void => {
    if (timer !== undefined) clearTimeout(timer);
  };

  /** Speaking only moves a mark; the timer looks how long ago that was. */
  function listen(controller: ReadableStreamDefaultController<Uint8Array>, { text, afterMs }: Ping, ms: number): void {
    timer = setTimeout(() => {
      const silence = now() - spokeAt;
      if (silence >= afterMs && (controller.desiredSize ?? 0) > 0) controller.enqueue(encoder.encode(text));
      listen(controller, { text, afterMs }, silence >= afterMs ? afterMs : afterMs - silence);
    }, ms);
  }

  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        if (ping !== undefined) listen(controller, ping, Math.max(0, spokeAt + ping.afterMs - now()));
      },
      async pull(controller) {
        try {
          const said = await source.next();
          if (said === null) {
            stop();
            controller.close();
            return;
          }
          spokeAt = now();
          controller.enqueue(typeof said === "string" ? encoder.encode(said) : said);
        } catch (error) {
          stop();
          await new Promise((resolve) => {
            setTimeout(resolve, LAST_WORDS_MS);
          });
          controller.error(error);
        }
      },
      cancel() {
        stop();
        source.cancel();
      },
    },
    { highWaterMark: 1 },
  );
}
