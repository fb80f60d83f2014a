// Decodes server-sent events (WHATWG HTML, section 9.2) from bytes. Chunks may end anywhere, and lines may end with CR, LF or CR LF. An
// event that is incomplete when the bytes end is dropped.

/** The fields of one event. Fields that the client does not know are stored under the key "". */
export interface ServerSentEvent {
  id?: string;
  event?: string;
  data?: string;
  [field: string]: string | undefined;
}

/** The maximum number of characters in one event. The Worker accepts 8 MiB from UniAPI. */
const MAX_CHARS = 16_777_216;

/**
 * Returns a function that decodes the next bytes to the events that they complete. The function throws a RangeError if an event has more
 * than `maxChars` characters.
 */
export function createDecoder(maxChars = MAX_CHARS): (bytes: Uint8Array) => ServerSentEvent[] {
  const utf8 = new TextDecoder();
  let line = "";
  let afterCr = false;
  let fields: ServerSentEvent = {};
  return (bytes) => {
    let text = utf8.decode(bytes, { stream: true });
    if (!text) return [];
    // A CR LF pair may be split between chunks.
    if (afterCr) text = text.replace(/^\n/, "");
    afterCr = text.at(-1) === "\r";
    const lines = text.split(/\r\n?|\n/);
    // The start of an unfinished line is not scanned again, so a long line in small chunks takes linear time.
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
    // If there is no data, this adds the nine characters of "undefined", which does no harm.
    if (((fields.data as string) + line).length > maxChars) throw RangeError("Endless.");
    return events;
  };
}
