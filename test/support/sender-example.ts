// Reads the example in the comment of Sender, for tests that compile and run it.
import { readFileSync } from "node:fs";

/** The code of the example in the comment of Sender. @param src path of the folder src, for its imports */
export function senderExample(src: string): string {
  const [, example = ""] = /```ts\n([\s\S]*?) \* ```/.exec(readFileSync("src/hooks/sender.ts", "utf8")) ?? [];
  return example
    .replaceAll(/^ \* ?/gm, "")
    .replaceAll('"../', `"${src}/`)
    .replaceAll('"./', `"${src}/hooks/`);
}
