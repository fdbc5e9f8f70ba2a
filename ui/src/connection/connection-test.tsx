// Tries the connection as it stands in the form and shows each step as it goes.

import { Button } from "@ui5/webcomponents-react/Button";
import { MessageStrip } from "@ui5/webcomponents-react/MessageStrip";
import { useCallback, useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";

import type { Backend } from "../backend/backend";
import { useBackend } from "../backend/context";
import type { ConnectionDraft } from "../backend/types/ConnectionDraft";
import type { ProblemView } from "../backend/types/ProblemView";
import type { Step } from "../backend/types/Step";
import type { StepId } from "../backend/types/StepId";
import { ProblemStrip } from "../components/problem-strip";
import { StepList } from "../components/step-list";
import { asProblem } from "../problem";

const order: StepId[] = ["service_key", "token", "resource_group", "deployments", "models", "answer"];

function waiting(id: StepId): Step {
  return { id, status: "waiting", count: null, hidden: null, name: null, milliseconds: null, problem: null };
}

export interface ConnectionTest {
  steps: Step[] | null;
  state: "running" | "over" | "cancelled";
  problem: ProblemView | null;
  start(draft: ConnectionDraft): void;
  cancel(): void;
}

export function useConnectionTest(): ConnectionTest {
  const backend = useBackend();
  const [steps, setSteps] = useState<Step[] | null>(null);
  const [state, setState] = useState<ConnectionTest["state"]>("over");
  const [problem, setProblem] = useState<ProblemView | null>(null);
  const running = useRef<object | null>(null);
  useEndWithPage(backend, running);

  const start = async (draft: ConnectionDraft) => {
    const run = {};
    running.current = run;
    setSteps(order.map(waiting));
    setState("running");
    setProblem(null);
    try {
      await backend.testConnection(draft, (step) => {
        if (running.current === run) setSteps((before) => before?.map((old) => (old.id === step.id ? step : old)) ?? null);
      });
    } catch (error) {
      if (running.current === run) setProblem(asProblem(error));
    }
    if (running.current !== run) return;
    running.current = null;
    setState("over");
  };

  const cancel = useCallback(() => {
    running.current = null;
    setState("cancelled");
    // A step that ran will tell nothing any more.
    setSteps((before) => before?.map((step) => (step.status === "running" ? waiting(step.id) : step)) ?? null);
    backend.cancelTest().catch((error: unknown) => setProblem(asProblem(error)));
  }, [backend]);

  return { steps, state, problem, start: (draft) => void start(draft), cancel };
}

/** A test that nobody sees any more is cancelled: it may call a model. */
function useEndWithPage(backend: Backend, running: { current: object | null }) {
  useEffect(
    () => () => {
      if (!running.current) return;
      running.current = null;
      backend.cancelTest().catch((error: unknown) => console.error("the test can't be cancelled", error));
    },
    [backend, running],
  );
}

export function ConnectionTestSteps({ test }: { test: ConnectionTest }) {
  const { t } = useTranslation();
  const { steps, state, problem } = test;
  if (!steps) return null;
  const failed = problem !== null || steps.some((step) => step.status === "failed");

  return (
    <section className="test" aria-label={t("connection.testSteps")}>
      <StepList prefix="test-step" label={t("connection.testSteps")} steps={steps} />
      {problem && <ProblemStrip id="test-problem" problem={problem} />}
      {state === "running" ? (
        <div className="row">
          <span role="status">{t("connection.testing")}</span>
          <Button id="cancel-test" onClick={test.cancel}>
            {t("app.cancel")}
          </Button>
        </div>
      ) : (
        <MessageStrip
          id="test-result"
          role="status"
          hideCloseButton
          design={state === "cancelled" ? "Information" : failed ? "Negative" : "Positive"}
        >
          {t(state === "cancelled" ? "connection.testCancelled" : failed ? "connection.testFailed" : "connection.testPassed")}
        </MessageStrip>
      )}
    </section>
  );
}
