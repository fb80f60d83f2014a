// A string that matches a regular expression, best effort: first alternatives, shortest repeats that
// reach the required length. Lookarounds and back references are skipped, and the result is checked.

const ASCII = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index));
// Letters come first, because readers expect a letter if a pattern allows a choice.
const CANDIDATES = ASCII.toSorted((a, b) => Number(/[a-z]/.test(b)) - Number(/[a-z]/.test(a)) || (a < b ? -1 : 1));
const STRETCH_MAX = 256;

function characterFor(source: string): string {
  const pattern = new RegExp(`^(?:${source})$`, "u");
  const found = CANDIDATES.find((candidate) => pattern.test(candidate));
  if (found !== undefined) return found;
  for (let code = 0xa0; code < 0x1_0000; code += 1) {
    const candidate = String.fromCharCode(code);
    if (pattern.test(candidate)) return candidate;
  }
  return "";
}

class Reader {
  readonly source: string;
  readonly stretch: number;
  position = 0;

  constructor(source: string, stretch: number) {
    this.source = source;
    this.stretch = stretch;
  }

  take(expression: RegExp): RegExpExecArray | undefined {
    const sticky = new RegExp(expression.source, "uy");
    sticky.lastIndex = this.position;
    const match = sticky.exec(this.source);
    if (match) this.position = sticky.lastIndex;
    return match ?? undefined;
  }

  alternatives(): string {
    const first = this.sequence();
    while (this.take(/\|/)) this.sequence();
    return first;
  }

  sequence(): string {
    let text = "";
    while (this.position < this.source.length && !/[|)]/.test(this.source[this.position] ?? "")) {
      const atom = this.atom();
      text += atom.repeat(this.repeats());
    }
    return text;
  }

  atom(): string {
    if (this.take(/[\^$]|\\[bB]/)) return "";
    const lookaround = this.take(/\(\?<?[=!]/);
    if (lookaround || this.take(/\((?:\?:|\?<\w+>)?/)) {
      const inner = this.alternatives();
      this.take(/\)/);
      return lookaround ? "" : inner;
    }
    if (this.take(/\\(?:[1-9]|k<\w+>)/)) return "";
    const single = this.take(/\[(?:\\.|[^\]\\])*\]|\\[pP]\{[^}]+\}|\\u\{[^}]+\}|\\u[\da-f]{4}|\\x[\da-f]{2}|\\.|\./);
    if (single) return characterFor(single[0]);
    return this.take(/[^]/)?.[0] ?? "";
  }

  repeats(): number {
    const match = this.take(/(?:([*+?])|\{(\d+)(,(\d*))?\})\??/);
    if (!match) return 1;
    const [, sign, low, comma, high] = match;
    const least = sign === "+" ? 1 : Number(low ?? 0);
    if (low !== undefined && comma === undefined) return least;
    const most = sign === "?" ? 1 : high ? Number(high) : Number.POSITIVE_INFINITY;
    return Math.min(least + this.stretch, most);
  }
}

/** Undefined if no candidate matches. The caller then ignores the pattern. */
export function samplePattern(pattern: string, min: number, max: number): string | undefined {
  try {
    const expression = new RegExp(pattern, "u");
    for (let stretch = 0; stretch <= STRETCH_MAX; stretch += 1) {
      const text = new Reader(pattern, stretch).alternatives();
      if (text.length >= min && text.length <= max && expression.test(text)) return text;
    }
  } catch {
    // Not a pattern that JavaScript knows.
  }
  return undefined;
}
