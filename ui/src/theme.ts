// Which theme is shown: the system's, unless the person has chosen one.

import { setTheme } from "@ui5/webcomponents-base/dist/config/Theme.js";
import { useSyncExternalStore } from "react";

export const themes = ["system", "sap_horizon", "sap_horizon_dark", "sap_horizon_hcb", "sap_horizon_hcw"] as const;
export type ThemeChoice = (typeof themes)[number];

const storageKey = "coretap.theme";
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const contrast = window.matchMedia("(prefers-contrast: more)");
const listeners = new Set<() => void>();

function chosen(): ThemeChoice {
  const stored = localStorage.getItem(storageKey);
  return themes.find((theme) => theme === stored) ?? "system";
}

function applied(): string {
  const choice = chosen();
  if (choice !== "system") return choice;
  if (contrast.matches) return dark.matches ? "sap_horizon_hcb" : "sap_horizon_hcw";
  return dark.matches ? "sap_horizon_dark" : "sap_horizon";
}

function apply(): Promise<void> {
  const theme = applied();
  // What the browser draws itself, such as scrollbars, follows too.
  document.documentElement.style.colorScheme = /dark|hcb/.test(theme) ? "dark" : "light";
  return setTheme(theme);
}

/** Applies the theme and keeps following the system. */
export async function initTheme(): Promise<void> {
  dark.addEventListener("change", () => void apply());
  contrast.addEventListener("change", () => void apply());
  await apply();
}

function choose(choice: ThemeChoice) {
  localStorage.setItem(storageKey, choice);
  void apply();
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void) {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}

export function useThemeChoice(): [ThemeChoice, (choice: ThemeChoice) => void] {
  return [useSyncExternalStore(subscribe, chosen), choose];
}
