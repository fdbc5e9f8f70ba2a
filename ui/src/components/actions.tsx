// Calls to the backend that a button makes: what fails is shown above the page, a small success in a toast.

import { Toast } from "@ui5/webcomponents-react/Toast";
import { createContext, type ReactNode, useContext, useMemo, useState } from "react";

import type { ProblemView } from "../backend/types/ProblemView";
import { asProblem } from "../problem";
import { ProblemStrip } from "./problem-strip";

export interface Actions {
  /** Runs the call; whether it worked. A failure is shown above the page. */
  run(call: () => Promise<unknown>): Promise<boolean>;
  /** Says it in a toast. */
  say(text: string): void;
}

const ActionsContext = createContext<Actions | null>(null);
const ProblemContext = createContext<{ problem: ProblemView | null; clear: () => void } | null>(null);

export function ActionsProvider({ children }: { children: ReactNode }) {
  const [problem, setProblem] = useState<ProblemView | null>(null);
  const [said, setSaid] = useState<string | null>(null);

  const actions = useMemo<Actions>(
    () => ({
      async run(call) {
        setProblem(null);
        try {
          await call();
          return true;
        } catch (error) {
          setProblem(asProblem(error));
          return false;
        }
      },
      say: setSaid,
    }),
    [],
  );
  const shown = useMemo(() => ({ problem, clear: () => setProblem(null) }), [problem]);

  return (
    <ActionsContext value={actions}>
      <ProblemContext value={shown}>{children}</ProblemContext>
      <Toast open={said !== null} duration={2000} onClose={() => setSaid(null)}>
        {said}
      </Toast>
    </ActionsContext>
  );
}

export function useActions(): Actions {
  const actions = useContext(ActionsContext);
  if (!actions) throw new Error("useActions needs an ActionsProvider");
  return actions;
}

/** Where failures are shown. */
export function ActionProblem() {
  const shown = useContext(ProblemContext);
  if (!shown?.problem) return null;
  return <ProblemStrip id="action-problem" problem={shown.problem} onClose={shown.clear} />;
}
