import i18next from "i18next";

import type { ProblemView } from "./backend/types/ProblemView";

/** "What happened (CODE). What to do." */
export function problemText(problem: ProblemView): string {
  const sentence = problem.sentence.trim();
  const end = /[.!?]$/.exec(sentence)?.[0] ?? ".";
  const code = problem.code ? ` (${problem.code})` : "";
  return `${sentence.replace(/[.!?]$/, "")}${code}${end} ${problem.hint}`.trim();
}

/** A rejected call as a problem: Rust rejects with one, but the bridge between has errors of its own. */
export function asProblem(error: unknown): ProblemView {
  if (typeof error === "object" && error !== null && "code" in error && "sentence" in error) {
    return error as ProblemView;
  }
  const what = error instanceof Error ? error.message : String(error);
  return { code: "", sentence: i18next.t("app.unexpected", { what }), hint: "", field: null };
}
