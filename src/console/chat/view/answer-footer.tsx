// The footer of an answer: its origin, tokens, cost and sources, and the buttons for it.
import { useState } from "preact/hooks";
import { dollars } from "../../lib/dollars.ts";
import { Icon } from "../../ui/icon.tsx";
import { CodePanel } from "./code-panel.tsx";
import type { Answer, Turn } from "../model/conversation.ts";
import type { TurnProps } from "./turn-view.tsx";

/** Whether the Worker may have the rest of the answer. Resuming with the same key can be free, but a retry never is. */
const isResumable = ({ state }: Turn): boolean => state === "stopped" || state === "broken";

export function AnswerFooter({ chat, turn, account, fields, focusComposer }: TurnProps) {
  const [code, setCode] = useState(false);
  const { answer, input } = turn;
  return (
    <footer>
      {answer !== undefined && <Citations answer={answer} />}
      <div class="details">
        <Badges turn={turn} />
        {answer?.usage != null && <UsageLine usage={answer.usage} cost={answer.cost_usd} />}
        <div class="tools">
          {isResumable(turn) && (
            <button
              type="button"
              class="icon-button"
              disabled={chat.isBusy}
              onClick={() => {
                void chat.resume(turn);
                focusComposer();
              }}
            >
              <Icon name="play" />
              <span>Continue</span>
            </button>
          )}
          <button
            type="button"
            class="icon-button"
            disabled={chat.isBusy || input === undefined || fields === null}
            onClick={() => {
              void chat.retry(turn, fields ?? {});
              focusComposer();
            }}
          >
            <Icon name="retry" />
            <span>{turn.fields === undefined && input !== undefined ? "Retry with current settings" : "Retry"}</span>
          </button>
          <button type="button" class="icon-button" aria-expanded={code} onClick={() => setCode(!code)}>
            <Icon name="code" />
            <span>Code</span>
          </button>
        </div>
      </div>
      {code && <CodePanel turn={turn} account={account} />}
    </footer>
  );
}

const CONTINUITY: Record<string, string> = {
  upstream: "UniAPI received the id of the previous turn and continued from it",
  replayed: "UniAPI had lost the conversation, so it was replayed from KV",
  gateway: "This Worker replays every conversation from KV",
};

/** What the badge shows for a value of `fwd` in `cache-status`. `request` means that the question requested a new answer. */
const FORWARD_REASONS: Record<string, string> = { request: "refreshed" };

/** `cache-status` follows RFC 9211, for example `uniapi-edge; hit; ttl=3120` or `uniapi-edge; fwd=miss; stored`. */
function Badges({ turn: { answer, cacheStatus, continuity } }: { turn: Turn }) {
  const hit = answer?.cached === true || /;\s*hit\b/.test(cacheStatus ?? "");
  const [, forwarded = ""] = /fwd=(\w+)/.exec(cacheStatus ?? "") ?? [];
  return (
    <ul class="badges" aria-label="About this answer">
      {answer !== undefined && <li class="badge plain">{answer.model}</li>}
      {(hit || forwarded !== "") && (
        <li class={hit ? "badge good" : "badge plain"} title={cacheStatus ?? undefined}>
          cache {hit ? "hit" : (FORWARD_REASONS[forwarded] ?? forwarded)}
        </li>
      )}
      {continuity !== null && (
        <li class={continuity === "replayed" ? "badge warn" : "badge plain"} title={CONTINUITY[continuity]}>
          continuity: {continuity}
        </li>
      )}
      {answer !== undefined && answer.status !== "completed" && (
        <li class="badge warn">
          {answer.status}
          {answer.incomplete_reason === undefined ? "" : `: ${answer.incomplete_reason}`}
        </li>
      )}
    </ul>
  );
}

function UsageLine({ usage, cost }: { usage: NonNullable<Answer["usage"]>; cost: number | undefined }) {
  const { input_tokens, cached_tokens, output_tokens, reasoning_tokens } = usage;
  const parts = [
    `${input_tokens} ${input_tokens === 1 ? "token" : "tokens"} in${cached_tokens > 0 ? ` (${cached_tokens} cached)` : ""}`,
    `${output_tokens} out${reasoning_tokens > 0 ? ` (${reasoning_tokens} reasoning)` : ""}`,
    ...(cost === undefined ? [] : [dollars(cost)]),
  ];
  return <p class="fine">{parts.join(" · ")}</p>;
}

function Citations({ answer }: { answer: Answer }) {
  const sources = (answer.citations ?? []).flatMap(({ url, title }) =>
    isWebAddress(url) ? [{ url, title: typeof title === "string" && title !== "" ? title : url }] : [],
  );
  if (sources.length === 0) return null;
  return (
    <div class="citations">
      <p class="fine" aria-hidden="true">
        Sources
      </p>
      <ol aria-label="Sources">
        {sources.map(({ url, title }, at) => (
          <li key={at}>
            <a href={url} target="_blank" rel="noopener noreferrer nofollow">
              {title}
            </a>
          </li>
        ))}
      </ol>
    </div>
  );
}

/** The model wrote the URL, so only http and https become links. */
function isWebAddress(url: unknown): url is string {
  return typeof url === "string" && /^https?:$/.test(URL.parse(url)?.protocol ?? "");
}
