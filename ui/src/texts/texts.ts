import i18next from "i18next";
import { initReactI18next } from "react-i18next";

import { en } from "./en";

declare module "i18next" {
  interface CustomTypeOptions {
    defaultNS: "translation";
    resources: { translation: typeof en };
  }
}

export async function initTexts(): Promise<void> {
  await i18next.use(initReactI18next).init({
    lng: "en",
    resources: { en: { translation: en } },
    // React escapes what it shows.
    interpolation: { escapeValue: false },
  });
}

/** A number as the window's language writes it. */
export function formatNumber(value: number): string {
  return new Intl.NumberFormat(i18next.language).format(value);
}

/** A count of tokens, short: 200K, 1M. */
export function formatTokens(value: number): string {
  return new Intl.NumberFormat(i18next.language, { notation: "compact", maximumFractionDigits: 1 }).format(value);
}

/** The day of milliseconds since 1970. */
export function formatDate(at: number): string {
  return new Intl.DateTimeFormat(i18next.language, { dateStyle: "medium" }).format(at);
}

/** The time of day of milliseconds since 1970. */
export function formatTime(at: number): string {
  return new Intl.DateTimeFormat(i18next.language, { timeStyle: "medium" }).format(at);
}
