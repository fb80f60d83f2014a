// A text that grows piece by piece. Pieces that are still escaped as in JSON are copied as bytes, and decoded only when the text is read.

/** The smallest buffer. It doubles when it is full. */
const INITIAL_BYTES = 256;
// A byte order mark at the beginning belongs to the text.
const utf8 = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

export class TextBuilder {
  #text = "";
  /** Bytes after `#text` that are not decoded yet: the first `#length` of this buffer. */
  #escaped: Uint8Array | undefined;
  #length = 0;

  add(text: string): void {
    this.#text = this.toString() + text;
  }

  /** Adds the inside of a well-formed JSON string, bytes `from` to `to`. They are copied, so that the frame can be freed. */
  addEscaped(bytes: Uint8Array, from: number, to: number): void {
    const needed = this.#length + to - from;
    let escaped = this.#escaped;
    if (escaped === undefined || escaped.length < needed) {
      const larger = new Uint8Array(Math.max(INITIAL_BYTES, needed, this.#length * 2));
      if (escaped !== undefined) larger.set(escaped);
      this.#escaped = escaped = larger;
    }
    for (let at = from; at < to; at += 1) escaped[this.#length++] = bytes[at] ?? 0;
  }

  toString(): string {
    if (this.#escaped !== undefined && this.#length > 0) {
      this.#text += JSON.parse(`"${utf8.decode(this.#escaped.subarray(0, this.#length))}"`) as string;
      this.#length = 0;
    }
    return this.#text;
  }
}
