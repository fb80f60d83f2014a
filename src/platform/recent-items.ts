// The items that this isolate has written to KV within the last minute. KV may show a write late, and an agent may refer to an item
// milliseconds after receiving it.

const TTL_MS = 60_000;
const MAX_CHARS = 4_000_000;

export interface RecentItems {
  /** Returns the text under the key; undefined if it was not written here within the last minute, or was deleted or evicted since. */
  get: (key: string) => string | undefined;
  set: (key: string, text: string) => void;
  delete: (key: string) => void;
}

/** @param now milliseconds since 1970 */
export function createRecentItems(now: () => number): RecentItems {
  /** The oldest first. */
  const items = new Map<string, { text: string; at: number }>();
  let chars = 0;
  function remove(key: string): void {
    chars -= items.get(key)?.text.length ?? 0;
    items.delete(key);
  }
  return {
    get(key) {
      const item = items.get(key);
      return item !== undefined && now() - item.at < TTL_MS ? item.text : undefined;
    },
    set(key, text) {
      remove(key);
      items.set(key, { text, at: now() });
      chars += text.length;
      for (const [oldest, { at }] of items) {
        if (chars <= MAX_CHARS && now() - at < TTL_MS) break;
        remove(oldest);
      }
    },
    delete: remove,
  };
}
