// A text that arrives in deltas. It is well-formed at every point: half of a surrogate pair at the end of a delta waits for its other half.
import type { Frame } from "../lib/sse.ts";
import { TextBuilder } from "./text-builder.ts";

const REPLACEMENT = "\uFFFD";

export class StreamedText {
  readonly #builder = new TextBuilder();
  /** A high surrogate whose low surrogate may come with the next delta. */
  #half = "";
  /** Text that was added, but not taken by `takePending` yet. */
  #pending = "";
  isEmpty = true;

  /** Whether the next delta can be added as bytes. */
  get isAtBoundary(): boolean {
    return this.#half === "" && this.#pending === "";
  }

  /** Adds a delta. @returns the well-formed text that it adds, which is empty if the delta is only half of a character */
  add(delta: string): string {
    if (delta === "") return "";
    this.isEmpty = false;
    const text = this.#half + delta;
    const last = text.charCodeAt(text.length - 1);
    this.#half = last >= 0xd800 && last <= 0xdbff ? text.slice(-1) : "";
    const wellFormed = (this.#half === "" ? text : text.slice(0, -1)).toWellFormed();
    this.#builder.add(wellFormed);
    this.#pending += wellFormed;
    return wellFormed;
  }

  /** Adds `frame[from, to)`, the contents of a JSON string without escaped surrogates. */
  addEscaped(frame: Frame, from: number, to: number): void {
    this.isEmpty = false;
    this.#builder.addEscaped(frame, from, to);
  }

  takePending(): string {
    const pending = this.#pending;
    this.#pending = "";
    return pending;
  }

  /** Discards half of a character at the end of the last delta. @returns the replacement character for it; "" if there is none */
  end(): string {
    if (this.#half === "") return "";
    this.#half = "";
    return REPLACEMENT;
  }

  replace(text: string): void {
    this.isEmpty = text === "";
    this.#half = "";
    this.#pending = "";
    this.#builder.replace(text);
  }

  toString(): string {
    return this.#builder.toString();
  }
}
