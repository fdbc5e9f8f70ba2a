import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Button } from "@ui5/webcomponents-react/Button";
import { Card } from "@ui5/webcomponents-react/Card";
import { CardHeader } from "@ui5/webcomponents-react/CardHeader";
import { CheckBox } from "@ui5/webcomponents-react/CheckBox";
import { Dialog } from "@ui5/webcomponents-react/Dialog";
import { Input } from "@ui5/webcomponents-react/Input";
import { Label } from "@ui5/webcomponents-react/Label";
import { Option } from "@ui5/webcomponents-react/Option";
import { Select } from "@ui5/webcomponents-react/Select";
import { useState } from "react";
import { useTranslation } from "react-i18next";

import { useBackend, useRefreshSnapshot, useSnapshot } from "../backend/context";
import { useActions } from "../components/actions";
import { Field, valueState } from "../components/field";
import { LocalKey } from "../components/local-key";
import { asProblem, problemText } from "../problem";
import { themes, useThemeChoice } from "../theme";

export function SettingsPage() {
  const { t } = useTranslation();
  return (
    <div className="cards form">
      <Card accessibleName={t("settings.proxy")} header={<CardHeader titleText={t("settings.proxy")} />}>
        <div className="card-content">
          <ProxySettings />
        </div>
      </Card>
      <Card accessibleName={t("settings.app")} header={<CardHeader titleText={t("settings.app")} />}>
        <div className="card-content">
          <StartAtLogin />
          <Theme />
        </div>
      </Card>
      <Card accessibleName={t("localKey.title")} header={<CardHeader titleText={t("localKey.title")} />}>
        <div className="card-content">
          <LocalKey>
            <RotateKey />
          </LocalKey>
        </div>
      </Card>
      <Card accessibleName={t("settings.about")} header={<CardHeader titleText={t("settings.about")} />}>
        <div id="about" className="card-content">
          <span>{t("settings.version", { version: __VERSION__ })}</span>
          <span>{t("settings.license")}</span>
        </div>
      </Card>
    </div>
  );
}

function ProxySettings() {
  const { t } = useTranslation();
  const backend = useBackend();
  const actions = useActions();
  const refreshSnapshot = useRefreshSnapshot();
  const { settings } = useSnapshot();
  const [port, setPort] = useState<string | null>(null);
  const [caFile, setCaFile] = useState<string | null>(null);
  const [startProxy, setStartProxy] = useState<boolean | null>(null);
  const [refused, setRefused] = useState<{ field: "port" | "caFile"; problem: string } | null>(null);
  const [busy, setBusy] = useState(false);

  const shownPort = port ?? String(settings.port);
  const number = /^\s*\d{1,5}\s*$/.test(shownPort) ? Number(shownPort) : Number.NaN;
  const valid = number >= 1 && number <= 65535;
  const refusedAt = (field: "port" | "caFile") => (refused?.field === field ? refused.problem : null);
  const problem = valid ? refusedAt("port") : t("settings.portProblem");

  const save = async () => {
    setBusy(true);
    setRefused(null);
    const done = await actions.run(async () => {
      try {
        await backend.saveSettings({
          port: number,
          startProxy: startProxy ?? settings.startProxy,
          caFile: (caFile ?? settings.caFile ?? "").trim() || null,
        });
      } catch (error) {
        const wrong = asProblem(error);
        if (wrong.field !== "port" && wrong.field !== "caFile") throw error;
        setRefused({ field: wrong.field, problem: problemText(wrong) });
        return;
      }
      await refreshSnapshot();
      setPort(null);
      setCaFile(null);
      setStartProxy(null);
      actions.say(t("settings.saved"));
    });
    if (!done) setRefused(null);
    setBusy(false);
  };

  return (
    <>
      <Field control="port" name="port" label={t("settings.port")} required problem={problem}>
        <Input
          id="port"
          className="short"
          required
          value={shownPort}
          {...valueState(problem)}
          onInput={(event) => {
            setPort(event.target.value);
            setRefused(null);
          }}
        />
      </Field>
      <Field control="ca-file" name="caFile" label={t("settings.caFile")} problem={refusedAt("caFile")}>
        <Input
          id="ca-file"
          value={caFile ?? settings.caFile ?? ""}
          placeholder={t("settings.caFilePlaceholder")}
          accessibleDescription={t("settings.caFileHint")}
          {...valueState(refusedAt("caFile"))}
          onInput={(event) => {
            setCaFile(event.target.value);
            setRefused(null);
          }}
        />
        <span className="hint">{t("settings.caFileHint")}</span>
      </Field>
      <CheckBox
        id="start-proxy"
        text={t("settings.startProxy")}
        checked={startProxy ?? settings.startProxy}
        onChange={(event) => setStartProxy(event.target.checked)}
      />
      <div className="row">
        <Button id="save-settings" design="Emphasized" disabled={!valid || busy} onClick={() => void save()}>
          {t("settings.save")}
        </Button>
      </div>
    </>
  );
}

function StartAtLogin() {
  const { t } = useTranslation();
  const backend = useBackend();
  const actions = useActions();
  const queryClient = useQueryClient();
  const queryKey = ["startAtLogin"];
  // The system's own settings can change it too, so it is asked each time.
  const startAtLogin = useQuery({ queryKey, queryFn: () => backend.startAtLogin(), gcTime: 0 });
  const [wanted, setWanted] = useState<boolean | null>(null);

  const change = async (on: boolean) => {
    setWanted(on);
    await actions.run(() => backend.setStartAtLogin(on));
    await queryClient.refetchQueries({ queryKey });
    setWanted(null);
  };

  return (
    <>
      <CheckBox
        id="start-at-login"
        text={t("settings.startAtLogin")}
        checked={wanted ?? startAtLogin.data ?? false}
        disabled={wanted !== null || startAtLogin.data === undefined}
        onChange={(event) => void change(event.target.checked)}
      />
      {startAtLogin.isError && <span role="alert">{problemText(asProblem(startAtLogin.error))}</span>}
    </>
  );
}

function Theme() {
  const { t } = useTranslation();
  const [choice, choose] = useThemeChoice();
  return (
    <div className="field">
      <Label for="theme" showColon>
        {t("settings.theme")}
      </Label>
      <Select
        id="theme"
        className="short"
        value={choice}
        onChange={(event) => {
          const next = event.detail.selectedOption.getAttribute("data-theme");
          choose(themes.find((theme) => theme === next) ?? "system");
        }}
      >
        {themes.map((theme) => (
          <Option key={theme} value={theme} data-theme={theme}>
            {t(`settings.themes.${theme}`)}
          </Option>
        ))}
      </Select>
    </div>
  );
}

function RotateKey() {
  const { t } = useTranslation();
  const backend = useBackend();
  const actions = useActions();
  const [asking, setAsking] = useState(false);

  const rotate = async () => {
    setAsking(false);
    if (await actions.run(() => backend.rotateLocalKey())) actions.say(t("localKey.rotated"));
  };

  return (
    <>
      <Button id="rotate-key" onClick={() => setAsking(true)}>
        {t("localKey.rotate")}
      </Button>
      <Dialog
        id="rotate-key-dialog"
        open={asking}
        headerText={t("localKey.rotateTitle")}
        state="Critical"
        accessibleRole="AlertDialog"
        onClose={() => setAsking(false)}
        footer={
          <div className="dialog-footer">
            <Button id="confirm-rotate-key" design="Emphasized" onClick={() => void rotate()}>
              {t("localKey.rotate")}
            </Button>
            <Button id="cancel-rotate-key" onClick={() => setAsking(false)}>
              {t("app.cancel")}
            </Button>
          </div>
        }
      >
        <p className="guide-note">{t("localKey.rotateText")}</p>
      </Dialog>
    </>
  );
}
