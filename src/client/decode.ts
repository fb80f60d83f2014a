// Server-sent events (WHATWG HTML, section 9.2): bytes to events, whatever their chunks and line ends. What is unfinished when the bytes
// end was never said.

/** The fields of one event; "" stands for all that are none of ours. */
export interface ServerSentEvent {
  id?: string;
  event?: string;
  data?: string;
  [field: string]: string | undefined;
}

/** Of one event, in characters; the Worker takes 8 MiB from UniAPI. */
const MAX_CHARS = 16_777_216;

/** @throws RangeError where an event grows without end */
export function createDecoder(maxChars = MAX_CHARS): (bytes: Uint8Array) => ServerSentEvent[] {
  const utf8 = new TextDecoder();
  let line = "";
  let afterCr = false;
  let fields: ServerSentEvent = {};
  return (bytes) => {
    let text = utf8.decode(bytes, { stream: true });
    if (!text) return [];
    // The LF of a pair that was cut.
    if (afterCr) text = text.replace(/^\n/, "");
    afterCr = text.at(-1) === "\r";
    const lines = text.split(/\r\n?|\n/);
    // Nothing looks again at what came before: a long line in small chunks costs no more than its length.
    lines[0] = line + lines[0];
    line = lines.pop() as string;
    const events: ServerSentEvent[] = [];
    for (const each of lines) {
      const [, field = "", value = ""] = /^(id|event|data)(?:: ?(.*))?$/s.exec(each) ?? [];
      if (each) fields[field] = field === "data" && "data" in fields ? `${fields.data}\n${value}` : value;
      else {
        if ("data" in fields) events.push(fields);
        fields = {};
      }
    }
    // Where there is no data yet, it counts as nine.
    if (((fields.data as string) + line).length > maxChars) throw RangeError("Endless.");
    return events;
  };
}
