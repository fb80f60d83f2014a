// The responses that the emulator keeps, as OpenAI keeps them: by id, each a turn that knows its parent.
// A turn holds its parent itself, so a forgotten response breaks only the follow-ups that name it.
import type { Item } from "./conversation.ts";

const KEPT_MAX_RESPONSES = 10_000;

type Turn = { readonly parent: Turn | undefined; readonly items: Item[] };

export type Memory = {
  has(id: string): boolean;
  /** All items of the chain that ends in this response, oldest first. */
  chain(id: string): Item[];
  item(id: string): Item | undefined;
  keep(id: string, parentId: string | undefined, items: Item[]): void;
  forget(id?: string): void;
};

export function memory(): Memory {
  const turns = new Map<string, Turn>();
  return {
    has: (id) => turns.has(id),
    chain: (id) => {
      const found: Item[][] = [];
      for (let turn = turns.get(id); turn; turn = turn.parent) found.push(turn.items);
      return found.toReversed().flat();
    },
    item: (id) => {
      for (const turn of turns.values()) {
        const item = turn.items.find((kept) => kept["id"] === id);
        if (item) return item;
      }
      return undefined;
    },
    keep: (id, parentId, items) => {
      turns.set(id, { parent: parentId === undefined ? undefined : turns.get(parentId), items });
      const [oldest] = turns.keys();
      if (turns.size > KEPT_MAX_RESPONSES && oldest !== undefined) turns.delete(oldest);
    },
    forget: (id) => {
      if (id === undefined) turns.clear();
      else turns.delete(id);
    },
  };
}
