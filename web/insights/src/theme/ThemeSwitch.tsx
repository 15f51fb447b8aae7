import { useEffect, useState } from "react";

const KEY = "footfall-theme";
const THEMES = { "": "As the system", light: "Light", dark: "Dark" };

/** Light or dark, as the system has it unless somebody chose. */
export function ThemeSwitch() {
  const [theme, setTheme] = useState(() => localStorage.getItem(KEY) ?? "");
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem(KEY, theme);
  }, [theme]);
  return (
    <label className="theme">
      <span className="hidden">Colours</span>
      <select value={theme} onChange={(event) => setTheme(event.target.value)}>
        {Object.entries(THEMES).map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
