// What the modules of orchestration are called, by the words of the header that tells an agent which were on.

import type { TFunction } from "i18next";

import { en } from "../texts/en";

export type ModuleName = keyof typeof en.moduleName;

export const moduleNames = Object.keys(en.moduleName) as ModuleName[];

/** The name for people; a word that has none is shown as it is. */
export function nameOfModule(word: string, t: TFunction): string {
  const known = moduleNames.find((name) => name === word);
  return known ? t(`moduleName.${known}`) : word;
}
