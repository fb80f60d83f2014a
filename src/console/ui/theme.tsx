// Light, dark, or as the system has it. The stylesheet knows all colours by `color-scheme`; this only says which one.
import { useState } from "preact/hooks";
import { Icon } from "./icon.tsx";

const THEMES = ["system", "light", "dark"] as const;
type Theme = (typeof THEMES)[number];
const NAME = "uniapi-edge-theme";

export function restoreTheme(): void {
  show(stored());
}

export function ThemeSwitch() {
  const [theme, setTheme] = useState(stored);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "system";
  const change = (): void => {
    show(next);
    try {
      localStorage.setItem(NAME, next);
    } catch {
      // Storage is forbidden: the theme holds until the next reload.
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

function stored(): Theme {
  try {
    const name = localStorage.getItem(NAME);
    return THEMES.find((theme) => theme === name) ?? "system";
  } catch {
    return "system";
  }
}

function show(theme: Theme): void {
  document.documentElement.dataset["theme"] = theme;
}
