// What was just done, as a line of curl and as code for the typed client. The credential is never in it: a placeholder stands there.
import type { Input } from "./conversation.ts";

export interface Asked {
  origin: string;
  /** Without one, under ENVIRONMENT=local, none is sent. */
  signedIn: boolean;
  input: Input;
  previous: string | null;
  fields: Record<string, unknown>;
}

const PLACEHOLDER = "$UNIAPI_EDGE_KEY";

export function curlLine({ origin, signedIn, ...asked }: Asked): string {
  const lines = [
    `curl -N ${origin}/ask`,
    ...(signedIn ? [`-H "Authorization: Bearer ${PLACEHOLDER}"`] : []),
    "-H 'Content-Type: application/json'",
    `-d ${shellQuoted(JSON.stringify({ ...bodyOf(asked), stream: true }))}`,
  ];
  return lines.join(" \\\n  ");
}

export function clientCode({ origin, signedIn, ...asked }: Asked): string {
  const options = [`url: ${JSON.stringify(origin)}`, ...(signedIn ? ["token: process.env.UNIAPI_EDGE_KEY"] : [])];
  return [
    'import { createClient } from "uniapi-edge/client";',
    "",
    `const client = createClient({ ${options.join(", ")} });`,
    `for await (const { event, data } of client.stream(${indented(bodyOf(asked))})) {`,
    '  if (event === "text") process.stdout.write(data.delta);',
    "}",
  ].join("\n");
}

function bodyOf({ input, previous, fields }: Pick<Asked, "input" | "previous" | "fields">): Record<string, unknown> {
  return { input, ...(previous === null ? {} : { previous_response_id: previous }), ...fields };
}

const indented = (body: object): string =>
  JSON.stringify(body, null, 2).replaceAll(/^(\s*)"([a-z_]\w*)": /gim, "$1$2: ");

/** For POSIX shells: nothing is special between single quotes. */
function shellQuoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
