// Renders a component again whenever a watched object changes.
import { useEffect, useReducer } from "preact/hooks";

export function useChanges(watched: { watch: (watcher: () => void) => () => void }): void {
  const [, redraw] = useReducer<number, undefined>((count) => count + 1, 0);
  useEffect(() => watched.watch(() => redraw(undefined)), [watched]);
}
