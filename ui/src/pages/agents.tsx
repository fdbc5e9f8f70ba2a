// One card for each coding agent: its setup to copy.

import { useQuery } from "@tanstack/react-query";
import { BusyIndicator } from "@ui5/webcomponents-react/BusyIndicator";
import { Button } from "@ui5/webcomponents-react/Button";
import { Card } from "@ui5/webcomponents-react/Card";
import { CardHeader } from "@ui5/webcomponents-react/CardHeader";
import { Label } from "@ui5/webcomponents-react/Label";
import { Option } from "@ui5/webcomponents-react/Option";
import { Select } from "@ui5/webcomponents-react/Select";
import "@ui5/webcomponents-icons/dist/copy.js";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { useBackend, useSnapshot } from "../backend/context";
import type { AgentView } from "../backend/types/AgentView";
import { useActions } from "../components/actions";
import { LocalKey } from "../components/local-key";
import { ProblemStrip } from "../components/problem-strip";
import { asProblem } from "../problem";

const storageKey = "coretap.shell";

/** The shell that was chosen last holds for every agent. */
function useShell() {
  const [shell, setShell] = useState(
    () => localStorage.getItem(storageKey) ?? (navigator.platform.startsWith("Win") ? "powershell" : "bash"),
  );
  const choose = (next: string) => {
    localStorage.setItem(storageKey, next);
    setShell(next);
  };
  return [shell, choose] as const;
}

export function AgentsPage() {
  const { t } = useTranslation();
  const backend = useBackend();
  const agents = useQuery({ queryKey: ["agents"], queryFn: () => backend.agents(), staleTime: Infinity });
  const [shell, chooseShell] = useShell();

  return (
    <div className="cards">
      <p>{t("agents.intro")}</p>
      {agents.isPending && <BusyIndicator active text={t("agents.loading")} />}
      {agents.isError && <ProblemStrip id="agents-problem" problem={asProblem(agents.error)} />}
      {agents.data?.map((agent) => <AgentCard key={agent.id} agent={agent} shell={shell} chooseShell={chooseShell} />)}
      <Card accessibleName={t("localKey.title")} header={<CardHeader titleText={t("localKey.title")} />}>
        <div className="card-content">
          <LocalKey />
        </div>
      </Card>
    </div>
  );
}

interface CardProperties {
  agent: AgentView;
  shell: string;
  chooseShell: (shell: string) => void;
}

function AgentCard({ agent, shell, chooseShell }: CardProperties) {
  const { t } = useTranslation();
  const backend = useBackend();
  const actions = useActions();
  const { proxy, localKey, selectedModel, settings } = useSnapshot();
  const { id, name, forms, file } = agent;
  // A file is no shell: it is chosen for this agent alone. An agent that is usually set up by its file begins with it.
  const [usesFile, setUsesFile] = useState(forms[0] === "file");
  const form = usesFile ? "file" : forms.includes(shell) ? shell : (forms[0] ?? "");

  // What the setup is made of; another value makes another setup.
  const made = [proxy.state, settings.port, localKey.beginning, selectedModel];
  const snippet = useQuery({
    queryKey: ["snippet", id, form, ...made],
    queryFn: () => backend.snippet(id, form),
    staleTime: Infinity,
  });

  const choose = (next: string) => {
    setUsesFile(next === "file");
    if (next !== "file") chooseShell(next);
  };
  const copy = async () => {
    if (await actions.run(() => backend.copySnippet(id, form))) actions.say(t("app.copied"));
  };

  return (
    <Card id={`agent-${id}`} accessibleName={name} header={<CardHeader titleText={name} />}>
      <div className="card-content">
        <div className="row">
          <Label for={`form-${id}`} showColon>
            {t("agents.form", { agent: name })}
          </Label>
          <Select
            id={`form-${id}`}
            value={form}
            onChange={(event) => choose(event.detail.selectedOption.getAttribute("data-form") ?? form)}
          >
            {forms.map((candidate) => (
              <Option key={candidate} value={candidate} data-form={candidate}>
                {formName(candidate)}
              </Option>
            ))}
          </Select>
          <Button
            id={`copy-${id}`}
            className="end"
            icon="copy"
            accessibleName={t("agents.copyFor", { agent: name })}
            onClick={() => void copy()}
          >
            {t("agents.copy")}
          </Button>
        </div>
        {snippet.isError ? (
          <ProblemStrip id={`snippet-problem-${id}`} problem={asProblem(snippet.error)} />
        ) : (
          <pre id={`snippet-${id}`} className="snippet" tabIndex={0} role="region" aria-label={t("agents.setup", { agent: name })}>
            {snippet.data ?? ""}
          </pre>
        )}
        <span>
          {form === "file" && file !== null ? t("agents.inFile", { file }) : t("agents.inTerminal", { agent: name })}
        </span>
      </div>
    </Card>
  );

  function formName(candidate: string): string {
    switch (candidate) {
      case "bash":
      case "zsh":
      case "fish":
      case "powershell":
      case "cmd":
      case "file":
        return t(`agents.forms.${candidate}`);
      default:
        return candidate;
    }
  }
}
