// Builds a string from many pieces. Pieces that are still escaped as in JSON are copied as bytes, and decoded only when the string is read.

/** Initial buffer size. A full buffer is replaced by one twice as large. */
const INITIAL_BYTES = 256;
// `ignoreBOM: true` preserves a byte order mark, which is part of the text.
const utf8 = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true });

export class TextBuilder {
  #text = "";
  /** The first `#length` bytes of this buffer are not decoded yet. Their text follows `#text`. */
  #escaped: Uint8Array | undefined;
  #length = 0;

  add(text: string): void {
    // The bytes precede this text, so they are decoded first.
    if (this.#length > 0) this.toString();
    this.#text += text;
  }

  /**
   * Appends `bytes[from, to)`, the still-escaped contents of a well-formed JSON string. Copies them, so that the buffer can be freed.
   */
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

  replace(text: string): void {
    this.#text = text;
    this.#length = 0;
  }

  toString(): string {
    if (this.#escaped !== undefined && this.#length > 0) {
      this.#text += JSON.parse(`"${utf8.decode(this.#escaped.subarray(0, this.#length))}"`) as string;
      this.#length = 0;
    }
    return this.#text;
  }
}
