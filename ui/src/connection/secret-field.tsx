// The secret goes in and never comes back: what is shown is where it is. Of a client certificate it is the private key.

import { Button } from "@ui5/webcomponents-react/Button";
import { Icon } from "@ui5/webcomponents-react/Icon";
import { Input } from "@ui5/webcomponents-react/Input";
import { Label } from "@ui5/webcomponents-react/Label";
import "@ui5/webcomponents-icons/dist/key.js";
import { useTranslation } from "react-i18next";

import { useBackend } from "../backend/context";
import { useActions } from "../components/actions";
import { FieldProblem, valueState } from "../components/field";
import { problemText } from "../problem";
import { formatDate } from "../texts/texts";
import type { ConnectionForm } from "./form";

export function SecretField({ form, problem }: { form: ConnectionForm; problem: string | null }) {
  const { t } = useTranslation();
  const backend = useBackend();
  const actions = useActions();
  const { clientSecret } = form.draft;
  const { edited } = form;
  const secret = edited?.secret ?? { state: "missing" as const };
  const { certificate } = form;

  const isTyped = clientSecret.from === "typed";
  const canGoBack = edited !== null && (secret.state === "stored" || secret.state === "this_run") && clientSecret.from !== "stored";
  // Only where no secret of one's own has replaced the one that can't be read.
  const unreadable = secret.state === "unreadable" && isTyped && clientSecret.value === "" ? problemText(secret.problem) : null;
  const shownProblem = problem ?? unreadable;

  const state = () => {
    if (clientSecret.from === "service_key") return t("connection.secret.service_key");
    if (secret.state === "stored" || secret.state === "this_run" || secret.state === "asking") {
      return t(`connection.secret.${secret.state}`);
    }
    return "";
  };

  const forget = async () => {
    // A key that was only pasted is nowhere but in this form.
    if (clientSecret.from !== "stored" || edited === null) {
      form.changeSecret({ from: "typed", value: "" });
    } else if (await actions.run(() => backend.forgetSecret(edited.connection.name))) {
      form.changeSecret(null);
      actions.say(t(certificate ? "connection.secret.keyForgotten" : "connection.secret.forgotten"));
    }
  };

  return (
    <div className="field">
      <Label id="client-secret-label" for={isTyped ? "client-secret" : undefined} required showColon>
        {t(certificate ? "connection.certificate" : "connection.clientSecret")}
      </Label>
      {certificate && (
        <span id="certificate" className="secret-state">
          {t("connection.certificateOf", { subject: certificate.subject, date: formatDate(certificate.validUntil) })}
        </span>
      )}
      {isTyped ? (
        <div className="row">
          <Input
            id="client-secret"
            className="grow"
            type="Password"
            required
            value={clientSecret.value}
            {...valueState(shownProblem)}
            onInput={(event) => form.changeSecret({ from: "typed", value: event.target.value }, true)}
            onChange={() => form.touch("clientSecret")}
            onBlur={() => form.touch("clientSecret")}
          />
          {canGoBack && (
            <Button id="keep-secret" onClick={() => form.changeSecret(null)}>
              {t("connection.secret.keep")}
            </Button>
          )}
        </div>
      ) : (
        <div className="row" role="group" aria-labelledby="client-secret-label">
          <span id="secret-state" className="secret-state">
            <Icon name="key" mode="Decorative" />
            <span>{certificate ? t("connection.privateKey", { state: state() }) : state()}</span>
          </span>
          <Button id="replace-secret" onClick={() => form.changeSecret({ from: "typed", value: "" })}>
            {t("connection.secret.replace")}
          </Button>
          <Button id="forget-secret" design="Transparent" onClick={() => void forget()}>
            {t("connection.secret.forget")}
          </Button>
        </div>
      )}
      <FieldProblem name="clientSecret" problem={shownProblem} />
    </div>
  );
}
