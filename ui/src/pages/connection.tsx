// The form mirrors Kilo Code's, in its order and with its words.

import { Button } from "@ui5/webcomponents-react/Button";
import { Card } from "@ui5/webcomponents-react/Card";
import { CardHeader } from "@ui5/webcomponents-react/CardHeader";
import { CheckBox } from "@ui5/webcomponents-react/CheckBox";
import { Link } from "@ui5/webcomponents-react/Link";
import { MessageStrip } from "@ui5/webcomponents-react/MessageStrip";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { useBackend, useRefreshSnapshot } from "../backend/context";
import type { Keep } from "../backend/types/Keep";
import type { ProblemView } from "../backend/types/ProblemView";
import { ProblemStrip } from "../components/problem-strip";
import { ServiceKeyGuide } from "../components/service-key-guide";
import { ConnectionTestSteps, useConnectionTest } from "../connection/connection-test";
import { ConnectionPicker } from "../connection/connection-picker";
import { DeploymentField } from "../connection/deployment-field";
import type { ConnectionForm } from "../connection/form";
import { ModelField } from "../connection/model-field";
import { NameAndGroup } from "../connection/name-and-group";
import { OrchestrationModulesField, isAnyOn } from "../connection/orchestration-modules";
import { formProblems } from "../connection/problems";
import { ResourceGroupField } from "../connection/resource-group-field";
import { SecretField } from "../connection/secret-field";
import { ServiceKeyField } from "../connection/service-key-field";
import { TextField } from "../connection/text-field";
import { asProblem } from "../problem";

export function ConnectionPage({ form }: { form: ConnectionForm }) {
  const { t } = useTranslation();
  return (
    <div className="cards form">
      <Card accessibleName={t("app.page.connection")} header={<CardHeader titleText={t("app.page.connection")} />}>
        <div className="card-content">
          <ConnectionPicker form={form} />
          <ConnectionFields key={form.opened} form={form} />
        </div>
      </Card>
    </div>
  );
}

/** The form of one connection, what its test says and whether it is saved. */
function ConnectionFields({ form }: { form: ConnectionForm }) {
  const { t } = useTranslation();
  const [guide, setGuide] = useState(false);
  const test = useConnectionTest();
  const saving = useSaving(form);
  const problems = formProblems(form, t);

  const startTest = () => {
    form.touchAll();
    // The models need not be known for the steps before them.
    const missing = problems.fields.find((field) => field !== "model" && field !== "deployment");
    if (missing) document.getElementById(controlOf(missing))?.focus();
    else test.start(form.draft);
  };

  return (
    <>
      <NameAndGroup form={form} problem={problems.at("name")} />
      <ServiceKeyField form={form} />
      <Link id="where-is-my-key" accessibleRole="Button" onClick={() => setGuide(true)}>
        {t("firstRun.whereIsMyKey")}
      </Link>
      <TextField form={form} id="client-id" name="clientId" label={t("connection.clientId")} problem={problems.at("clientId")} />
      <SecretField form={form} problem={problems.at("clientSecret")} />
      <TextField
        form={form}
        id="base-url"
        name="baseUrl"
        label={t("connection.baseUrl")}
        placeholder={t("connection.baseUrlPlaceholder")}
        problem={problems.at("baseUrl")}
      />
      <TextField
        form={form}
        id="auth-url"
        name="authUrl"
        label={t("connection.authUrl")}
        placeholder={t("connection.authUrlPlaceholder")}
        problem={problems.at("authUrl")}
      />
      <ResourceGroupField form={form} problem={problems.at("resourceGroup")} />
      <div className="field">
        <CheckBox
          id="orchestration"
          text={t("connection.orchestration")}
          checked={form.draft.orchestration}
          onChange={(event) => form.change({ orchestration: event.target.checked, deployment: null })}
        />
        <div id="orchestration-modes" className="modes">
          <span>{t("connection.orchestrationOn")}</span>
          <span>{t("connection.orchestrationOff")}</span>
        </div>
      </div>
      <ModelField
        form={form}
        problem={problems.at("model")}
        offerProblemId={saving.problem ? "offer-problem" : "connection-problem"}
      />
      {!form.draft.orchestration && <DeploymentField form={form} problem={problems.at("deployment")} />}
      {form.draft.orchestration ? (
        <OrchestrationModulesField form={form} problem={problems.at("orchestrationModules")} />
      ) : (
        isAnyOn(form.draft.orchestrationModules) && <span id="modules-unused">{t("connection.modules.unused")}</span>
      )}
      <ConnectionTestSteps test={test} />
      <SaveResult saving={saving} isUsed={form.edited?.part !== "none"} />
      <div className="row actions">
        <Button id="test-connection" disabled={test.state === "running" || !form.settled} onClick={startTest}>
          {t("connection.test")}
        </Button>
        <Button
          id="save-connection"
          design="Emphasized"
          disabled={!problems.canSave || saving.busy}
          accessibleDescription={problems.fields.length > 0 ? saveHint(problems.fields) : undefined}
          onClick={() => void saving.save("keychain")}
        >
          {t("connection.save")}
        </Button>
        {problems.fields.length > 0 && <span id="save-hint">{saveHint(problems.fields)}</span>}
      </div>
      <ServiceKeyGuide open={guide} onClose={() => setGuide(false)} />
    </>
  );

  function saveHint(fields: (typeof problems)["fields"]) {
    return t("connection.saveHint", { fields: fields.map((field) => t(`connection.field.${field}`)).join(", ") });
  }
}

/** `baseUrl` is the control `base-url`. */
function controlOf(field: string): string {
  return field.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

type Saving = ReturnType<typeof useSaving>;

function useSaving(form: ConnectionForm) {
  const backend = useBackend();
  const refreshSnapshot = useRefreshSnapshot();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<ProblemView | null>(null);
  const [saved, setSaved] = useState(false);

  const save = async (keep: Keep) => {
    form.touchAll();
    setBusy(true);
    setProblem(null);
    setSaved(false);
    try {
      await backend.saveConnection(form.draft, keep);
      // Before the changes are forgotten, so that the form never shows what was saved before.
      await refreshSnapshot();
      form.saved();
      setSaved(true);
    } catch (error) {
      setProblem(asProblem(error));
    }
    setBusy(false);
  };
  // Said until the form is changed again.
  return { busy, problem, saved: saved && !form.changed, save };
}

function SaveResult({ saving, isUsed }: { saving: Saving; isUsed: boolean }) {
  const { t } = useTranslation();
  const { problem, saved, busy } = saving;
  if (saved) {
    return (
      <MessageStrip id="connection-saved" role="status" design="Positive" hideCloseButton>
        {t(isUsed ? "connection.saved" : "connection.savedUnused")}
      </MessageStrip>
    );
  }
  if (!problem) return null;
  const keychainRefused = problem.code.startsWith("SECRET-");
  return (
    <ProblemStrip id="connection-problem" problem={problem}>
      {keychainRefused && (
        <>
          <Button id="retry-save" disabled={busy} onClick={() => void saving.save("keychain")}>
            {t("app.tryAgain")}
          </Button>
          <Button id="keep-this-run" disabled={busy} onClick={() => void saving.save("this_run")}>
            {t("connection.keepThisRun")}
          </Button>
          <span>{t("connection.keepThisRunHint")}</span>
        </>
      )}
    </ProblemStrip>
  );
}
