// The responses that the emulator stores, as OpenAI does: by id, each a turn that refers to its parent.
// A turn references its parent directly, so deleting a response breaks only the follow-ups that name it.
import type { Item } from "./conversation.ts";

const MAX_RESPONSES = 10_000;

type Turn = { readonly parent: Turn | undefined; readonly items: Item[] };

export type Memory = {
  has(id: string): boolean;
  /** All items of the chain that ends in this response, oldest first. */
  chain(id: string): Item[];
  item(id: string): Item | undefined;
  store(id: string, parentId: string | undefined, items: Item[]): void;
  delete(id?: string): void;
};

export function createMemory(): Memory {
  const turns = new Map<string, Turn>();
  return {
    has: (id) => turns.has(id),
    chain: (id) => {
      const chain: Item[][] = [];
      for (let turn = turns.get(id); turn; turn = turn.parent) chain.push(turn.items);
      return chain.toReversed().flat();
    },
    item: (id) => {
      for (const turn of turns.values()) {
        const item = turn.items.find((stored) => stored["id"] === id);
        if (item) return item;
      }
      return undefined;
    },
    store: (id, parentId, items) => {
      turns.set(id, { parent: parentId === undefined ? undefined : turns.get(parentId), items });
      const [oldest] = turns.keys();
      if (turns.size > MAX_RESPONSES && oldest !== undefined) turns.delete(oldest);
    },
    delete: (id) => {
      if (id === undefined) turns.clear();
      else turns.delete(id);
    },
  };
}
