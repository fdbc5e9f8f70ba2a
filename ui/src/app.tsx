// The window's frame: the bar on top, the pages beside, and what every page shows.

import { BusyIndicator } from "@ui5/webcomponents-react/BusyIndicator";
import { Button } from "@ui5/webcomponents-react/Button";
import { NavigationLayout } from "@ui5/webcomponents-react/NavigationLayout";
import { SideNavigation } from "@ui5/webcomponents-react/SideNavigation";
import { SideNavigationItem } from "@ui5/webcomponents-react/SideNavigationItem";
import "@ui5/webcomponents-icons/dist/action-settings.js";
import "@ui5/webcomponents-icons/dist/command-line-interfaces.js";
import "@ui5/webcomponents-icons/dist/connected.js";
import "@ui5/webcomponents-icons/dist/overview-chart.js";
import { useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";

import { SnapshotProvider, useSnapshot, useSnapshotQuery } from "./backend/context";
import { ActionsProvider } from "./components/actions";
import { Notices } from "./components/notices";
import { ProblemStrip } from "./components/problem-strip";
import { Shell } from "./components/shell";
import { useConnectionForm } from "./connection/form";
import { AgentsPage } from "./pages/agents";
import { ConnectionPage } from "./pages/connection";
import { FirstRunPage } from "./pages/first-run";
import { OverviewPage } from "./pages/overview";
import { SettingsPage } from "./pages/settings";
import { asProblem } from "./problem";

export type PageName = "overview" | "connection" | "agents" | "settings";

const pages: { name: PageName; icon: string }[] = [
  { name: "overview", icon: "overview-chart" },
  { name: "connection", icon: "connected" },
  { name: "agents", icon: "command-line-interfaces" },
  { name: "settings", icon: "action-settings" },
];

export function App() {
  const { t } = useTranslation();
  const snapshot = useSnapshotQuery();

  if (snapshot.data) {
    return (
      <SnapshotProvider value={snapshot.data}>
        <ActionsProvider>
          <Pages />
        </ActionsProvider>
      </SnapshotProvider>
    );
  }
  if (snapshot.isError) {
    return (
      <main className="page">
        <ProblemStrip id="snapshot-problem" problem={asProblem(snapshot.error)}>
          <Button onClick={() => void snapshot.refetch()}>{t("app.tryAgain")}</Button>
        </ProblemStrip>
      </main>
    );
  }
  return (
    <main className="centre">
      <BusyIndicator active text={t("app.loading")} />
    </main>
  );
}

function Pages() {
  const { t } = useTranslation();
  const { source, connection } = useSnapshot();
  const [page, setPage] = useState<PageName>("overview");
  const [wantsToConnect, setWantsToConnect] = useState(false);
  // Kept here and not on its page: what was typed outlives a look at another page.
  const form = useConnectionForm(page === "connection");

  const open = (name: PageName) => {
    if (name === "connection") setWantsToConnect(true);
    setPage(name);
  };
  const narrow = useMatches("(width < 56rem)");
  const firstRun = source === "none" && connection === null && !wantsToConnect;

  return (
    <NavigationLayout
      className="frame"
      mode={narrow ? "Collapsed" : "Expanded"}
      header={<Shell onHome={() => open("overview")} />}
      sideContent={
        <SideNavigation
          accessibleName={t("app.navigation")}
          onSelectionChange={(event) => {
            const name = pages.find((candidate) => `nav-${candidate.name}` === event.detail.item.id)?.name;
            if (name) open(name);
          }}
        >
          {pages.map(({ name, icon }) => (
            <SideNavigationItem
              key={name}
              id={`nav-${name}`}
              text={t(`app.page.${name}`)}
              icon={icon}
              selected={page === name}
            />
          ))}
        </SideNavigation>
      }
    >
      <main className="page" aria-label={t(`app.page.${page}`)}>
        <Notices />
        {page === "overview" && (firstRun ? <FirstRunPage onConnect={() => open("connection")} /> : <OverviewPage open={open} />)}
        {page === "connection" && <ConnectionPage form={form} />}
        {page === "agents" && <AgentsPage />}
        {page === "settings" && <SettingsPage />}
      </main>
    </NavigationLayout>
  );
}

/** Whether the window matches a media query now. */
function useMatches(query: string): boolean {
  const list = window.matchMedia(query);
  return useSyncExternalStore(
    (changed) => {
      list.addEventListener("change", changed);
      return () => list.removeEventListener("change", changed);
    },
    () => list.matches,
  );
}
