// The turns of a conversation, from its root to one of them, in as few reads as KV allows: every turn names up to a hundred
// ancestors, and those are read at once.
import { decodeTurn, type Turn, turnKey } from "../core/turn.ts";
import type { Deps } from "../deps.ts";

/** Root first, `last` last. A turn that KV does not have any more is left out, and what is before it as far as it can be found. */
export async function readChain(deps: Deps, owner: string, last: Turn): Promise<Turn[]> {
  const chain: Turn[] = [last];
  let from = last;
  while (from.ancestors.length > 0) {
    const texts = await deps.store.read(from.ancestors.map((id) => turnKey(owner, id)));
    const block = texts.map(decodeTurn).filter((turn) => turn !== null);
    const [oldest] = block;
    chain.unshift(...block);
    // Only a full list may have more before it; its first turn knows.
    if (oldest === undefined || oldest.id !== from.ancestors[0]) break;
    from = oldest;
  }
  return chain;
}
