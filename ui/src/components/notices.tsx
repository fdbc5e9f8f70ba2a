// What the person must know whatever page is open.

import { Button } from "@ui5/webcomponents-react/Button";
import { MessageStrip } from "@ui5/webcomponents-react/MessageStrip";
import { useTranslation } from "react-i18next";

import { useBackend, useSnapshot } from "../backend/context";
import { ActionProblem, useActions } from "./actions";
import { ProblemStrip } from "./problem-strip";

export function Notices() {
  const { t } = useTranslation();
  const backend = useBackend();
  const actions = useActions();
  const { notices, source } = useSnapshot();
  const firstOfKeychain = notices.find((notice) => notice.code.startsWith("SECRET-"));

  return (
    <div className="notices">
      <ActionProblem />
      {notices.map((notice) => (
        <ProblemStrip key={notice.code} id={`notice-${notice.code}`} problem={notice} design="Critical">
          {notice === firstOfKeychain && (
            <Button id="retry-keychain" onClick={() => void actions.run(() => backend.retryKeychain())}>
              {t("app.tryAgain")}
            </Button>
          )}
        </ProblemStrip>
      ))}
      {source === "simulator" && (
        <MessageStrip id="simulator-strip" design="Information" hideCloseButton>
          <span className="strip">
            <span>{t("simulator.strip")}</span>
            <Button id="leave-simulator" onClick={() => void actions.run(() => backend.leaveSimulator())}>
              {t("simulator.leave")}
            </Button>
          </span>
        </MessageStrip>
      )}
    </div>
  );
}
