// What is true now, and what to do next.

import { Button } from "@ui5/webcomponents-react/Button";
import { Card } from "@ui5/webcomponents-react/Card";
import { CardHeader } from "@ui5/webcomponents-react/CardHeader";
import { Label } from "@ui5/webcomponents-react/Label";
import { MessageStrip } from "@ui5/webcomponents-react/MessageStrip";
import "@ui5/webcomponents-icons/dist/copy.js";
import "@ui5/webcomponents-icons/dist/refresh.js";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import type { PageName } from "../app";
import { useBackend, useSnapshot } from "../backend/context";
import type { ConnectionPart } from "../backend/types/ConnectionPart";
import type { LastProblem } from "../backend/types/LastProblem";
import type { Step } from "../backend/types/Step";
import { useActions } from "../components/actions";
import { nameOfModule } from "../components/module-name";
import { SelectedModel } from "../components/selected-model";
import { StepList } from "../components/step-list";
import { problemText } from "../problem";
import { formatNumber, formatTime } from "../texts/texts";

export function OverviewPage({ open }: { open: (page: PageName) => void }) {
  const { t } = useTranslation();
  const backend = useBackend();
  const actions = useActions();
  const { proxy, steps, usage, lastProblem } = useSnapshot();
  const [checking, setChecking] = useState(false);

  const checkAgain = async () => {
    setChecking(true);
    await actions.run(() => backend.checkAgain());
    setChecking(false);
  };

  // The proxy's own problem stands in its row, whether or not the steps have heard of it.
  const shownSteps = steps.map((step) =>
    step.id === "proxy" && proxy.state === "failed" ? { ...step, status: "failed" as const, problem: proxy.problem } : step,
  );

  const nextAction = (step: Step) => {
    if (step.id === "proxy" && proxy.state === "failed" && proxy.freePort !== null) {
      return (
        <Button id="use-free-port" design="Emphasized" onClick={() => void actions.run(() => backend.useFreePort())}>
          {t("overview.useFreePort", { port: proxy.freePort })}
        </Button>
      );
    }
    if (step.id === "agent" && step.status === "waiting") {
      return <Button onClick={() => open("agents")}>{t("overview.goToAgents")}</Button>;
    }
    const needsConnection = step.status === "failed" || (step.id === "service_key" && step.status === "waiting");
    if (needsConnection && step.id !== "proxy" && step.id !== "agent") {
      return <Button onClick={() => open("connection")}>{t("overview.goToConnection")}</Button>;
    }
    return null;
  };

  return (
    <div className="cards">
      {proxy.state === "degraded" && (
        <MessageStrip id="proxy-problem" design="Critical" hideCloseButton>
          {t("overview.since", { time: formatTime(proxy.since), problem: problemText(proxy.problem) })}
        </MessageStrip>
      )}
      <Card accessibleName={t("overview.steps")} header={<CardHeader titleText={t("overview.steps")} />}>
        <div className="card-content">
          <StepList
            prefix="step"
            label={t("overview.steps")}
            steps={shownSteps}
            action={nextAction}
            problemId={(step) => (step.id === "proxy" && proxy.state === "failed" ? "proxy-problem" : undefined)}
          />
          <div className="row">
            <Button id="check-again" icon="refresh" disabled={checking} onClick={() => void checkAgain()}>
              {t("overview.checkAgain")}
            </Button>
          </div>
        </div>
      </Card>
      <div className="columns">
        <Card accessibleName={t("app.name")} header={<CardHeader titleText={t("run.label")} />}>
          <div className="card-content">
            <ConnectionInUse />
            <Address />
            <SelectedModel />
          </div>
        </Card>
        <Card accessibleName={t("overview.today")} header={<CardHeader titleText={t("overview.today")} />}>
          <div className="card-content">
            <ul id="usage" className="plain">
              <li>{t("overview.requests", { count: usage.requests })}</li>
              <li>{t("overview.inputTokens", { tokens: formatNumber(usage.inputTokens) })}</li>
              <li>{t("overview.outputTokens", { tokens: formatNumber(usage.outputTokens) })}</li>
              {usage.modules.map(({ module, requests }) => (
                <li key={module}>{t("overview.modules", { module: nameOfModule(module, t), count: requests })}</li>
              ))}
            </ul>
            <div className="field">
              <Label showColon>{t("overview.lastProblem")}</Label>
              <span id="last-problem">{lastProblem ? <LastProblemText problem={lastProblem} /> : t("overview.noProblem")}</span>
            </div>
          </div>
        </Card>
      </div>
    </div>
  );
}

/** Whoever has one connection has no need of its name. */
function ConnectionInUse() {
  const { t } = useTranslation();
  const { connections, source } = useSnapshot();
  const namesOf = (part: ConnectionPart) => connections.filter((saved) => saved.part === part).map(({ connection }) => connection.name);
  const others = namesOf("group");
  if (connections.length < 2 || source !== "sap_ai_core") return null;
  return (
    <div className="field">
      <Label showColon>{t("overview.connection")}</Label>
      <span id="connection-in-use">{namesOf("selected").join()}</span>
      {others.length > 0 && <span className="hint">{t("overview.alsoInGroup", { names: others.join(", ") })}</span>}
    </div>
  );
}

function Address() {
  const { t } = useTranslation();
  const backend = useBackend();
  const actions = useActions();
  const { proxy } = useSnapshot();
  const address = proxy.state === "running" || proxy.state === "degraded" ? proxy.address : null;

  const copy = async () => {
    if (await actions.run(() => backend.copyAddress())) actions.say(t("app.copied"));
  };

  return (
    <div className="field">
      <Label showColon>{t("overview.address")}</Label>
      <div className="row">
        <span id="address" className={address ? "code" : undefined}>
          {address ?? t("overview.noAddress")}
        </span>
        <Button id="copy-address" icon="copy" disabled={!address} onClick={() => void copy()}>
          {t("overview.copyAddress")}
        </Button>
      </div>
    </div>
  );
}

function LastProblemText({ problem }: { problem: LastProblem }) {
  const { t } = useTranslation();
  const { code, status, path, model, modules, at } = problem;
  return (
    <>
      {t("overview.problemAt", { time: formatTime(at), path, status, code })}
      {model && ` ${t("overview.problemModel", { model })}`}
      {modules.length > 0 &&
        ` ${t("overview.problemModules", { modules: modules.map((module) => nameOfModule(module, t)).join(", ") })}`}
    </>
  );
}
