// Shows a question as a curl command and as code for the typed client. Both contain a placeholder in place of the credential.
import type { Input } from "./conversation.ts";

export interface SnippetRequest {
  origin: string;
  /** False under ENVIRONMENT=local without a credential; the snippets then send none. */
  signedIn: boolean;
  input: Input;
  previousId: string | null;
  fields: Record<string, unknown>;
}

const PLACEHOLDER = "$UNIAPI_EDGE_KEY";

export function curlLine({ origin, signedIn, ...question }: SnippetRequest): string {
  const lines = [
    `curl -N ${origin}/ask`,
    ...(signedIn ? [`-H "Authorization: Bearer ${PLACEHOLDER}"`] : []),
    "-H 'Content-Type: application/json'",
    `-d ${quoteForShell(JSON.stringify({ ...bodyOf(question), stream: true }))}`,
  ];
  return lines.join(" \\\n  ");
}

export function clientCode({ origin, signedIn, ...question }: SnippetRequest): string {
  const options = [`url: ${JSON.stringify(origin)}`, ...(signedIn ? ["token: process.env.UNIAPI_EDGE_KEY"] : [])];
  return [
    'import { createClient } from "uniapi-edge/client";',
    "",
    `const client = createClient({ ${options.join(", ")} });`,
    `for await (const { event, data } of client.stream(${formatLiteral(bodyOf(question))})) {`,
    '  if (event === "text") process.stdout.write(data.delta);',
    "}",
  ].join("\n");
}

function bodyOf({
  input,
  previousId,
  fields,
}: Pick<SnippetRequest, "input" | "previousId" | "fields">): Record<string, unknown> {
  return { input, ...(previousId === null ? {} : { previous_response_id: previousId }), ...fields };
}

const formatLiteral = (body: object): string =>
  JSON.stringify(body, null, 2).replaceAll(/^(\s*)"([a-z_]\w*)": /gim, "$1$2: ");

/** Quotes for POSIX shells, where no character is special within single quotes. */
function quoteForShell(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
