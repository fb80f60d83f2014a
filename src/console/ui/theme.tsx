// The theme: light, dark, or the system's. The stylesheet derives all colors from `color-scheme`; this module only sets the theme.
import { useState } from "preact/hooks";
import { Icon } from "./icon.tsx";

const THEMES = ["system", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];
const NAME = "uniapi-edge-theme";

export function restoreTheme(): void {
  applyTheme(storedTheme());
}

export function ThemeSwitch() {
  const [theme, setTheme] = useState(storedTheme);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "system";
  const change = (): void => {
    applyTheme(next);
    try {
      localStorage.setItem(NAME, next);
    } catch {
      // Storage is forbidden, so the theme lasts until the next reload.
    }
    setTheme(next);
  };
  return (
    <button
      type="button"
      class="icon-button"
      onClick={change}
      aria-label={`Theme: ${theme}. Change to ${next}`}
      title={`Theme: ${theme}`}
    >
      <Icon name={theme} />
    </button>
  );
}

function storedTheme(): Theme {
  try {
    const name = localStorage.getItem(NAME);
    return THEMES.find((theme) => theme === name) ?? "system";
  } catch {
    return "system";
  }
}

function applyTheme(theme: Theme): void {
  document.documentElement.dataset["theme"] = theme;
}
