// Backend in memory, for the browser tests alone; the app's bundle never sees it.

import type { Backend } from "../src/backend/backend";
import type { ConnectionDraft } from "../src/backend/types/ConnectionDraft";
import type { Field } from "../src/backend/types/Field";
import type { ProblemView } from "../src/backend/types/ProblemView";
import type { SavedConnection } from "../src/backend/types/SavedConnection";
import type { SecretView } from "../src/backend/types/SecretView";
import type { Snapshot } from "../src/backend/types/Snapshot";
import type { Step } from "../src/backend/types/Step";
import type { StepId } from "../src/backend/types/StepId";
import {
  type Case,
  certificate,
  deployments,
  doneSteps,
  firstSnapshot,
  foundationModels,
  hiddenModels,
  orchestrationModels,
  problem,
  step,
  wrongSecret,
} from "./fake-data";

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The calls that were made, for the tests to read. */
export const calls: [string, ...unknown[]][] = [];

export function fakeBackend(name: Case): Backend {
  let now = firstSnapshot(name);
  let startsAtLogin = false;
  let cancelled = false;
  const listeners = new Set<(snapshot: Snapshot) => void>();

  const become = (changes: Partial<Snapshot>) => {
    now = { ...now, ...changes };
    for (const listener of listeners) listener(now);
  };

  const takeSecret = (name: string, secret: SecretView) => {
    if (now.connection?.name === name) become({ secret });
    become({ connections: now.connections.map((saved) => (saved.connection.name === name ? { ...saved, secret } : saved)) });
  };

  const use = (name: string | undefined, connections: SavedConnection[]) => {
    const own = connections.find(({ connection }) => connection.name === name);
    become({
      connection: own?.connection ?? null,
      secret: own?.secret ?? { state: "missing" },
      source: own ? "sap_ai_core" : "none",
      connections: connections.map((saved) => ({ ...saved, part: saved === own ? "selected" : "none" })),
    });
  };

  const called = (call: string, ...given: unknown[]) => {
    calls.push([call, ...given]);
  };

  const fake: Backend = {
    snapshot: async () => now,
    onSnapshot: async (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },

    async readServiceKey(text) {
      called("readServiceKey");
      await pause(30);
      let key: Record<string, unknown>;
      try {
        key = JSON.parse(text) as Record<string, unknown>;
      } catch {
        throw problem("CONFIG-SERVICE-KEY", "This is not a service key: it is no JSON.", "Copy the whole key from the BTP cockpit.", "serviceKey");
      }
      const urls = key["serviceurls"] as Record<string, string> | undefined;
      const isCertified = "certurl" in key;
      return {
        clientId: String(key["clientid"]),
        baseUrl: String(urls?.["AI_API_URL"]),
        authUrl: String(key[isCertified ? "certurl" : "url"]),
        certificate: isCertified ? certificate : null,
      };
    },
    async validateConnection(draft) {
      return problemsOf(draft, now);
    },
    async offer(draft) {
      called("offer", draft.orchestration);
      await pause(60);
      if (name === "no-offer") throw problem("NET-CONNECT", "api.ai.example can’t be reached.", "Check your network, then try again.");
      if (secretOf(draft) === "wrong") throw { ...wrongSecret, field: "clientSecret" } satisfies ProblemView;
      return {
        resourceGroups: ["default", "team-a", "team-b"],
        models: draft.orchestration ? orchestrationModels : foundationModels,
        hiddenModels,
        deployments,
      };
    },
    async testConnection(draft, onStep) {
      called("testConnection");
      cancelled = false;
      const order: StepId[] = ["service_key", "token", "resource_group", "deployments", "models", "answer"];
      const found: Partial<Record<StepId, Partial<Step>>> = {
        service_key: { name: draft.clientId },
        resource_group: { name: draft.resourceGroup || "default", count: 3 },
        deployments: { count: 4, hidden: 2 },
        models: { count: 60, hidden: 2 },
        answer: { name: draft.model ?? "gpt-5" },
      };
      for (const id of order) {
        onStep(step(id, "running"));
        // Slow enough to be seen, and to be cancelled; a test may hold a step until it has looked at it.
        const held = () => (globalThis as { heldStep?: StepId }).heldStep === id;
        for (let waited = 0; (waited < 150 || held()) && !cancelled; waited += 10) await pause(10);
        if (cancelled) return;
        if (id === "token" && secretOf(draft) === "wrong") {
          onStep(step(id, "failed", { problem: wrongSecret, milliseconds: 150 }));
          return;
        }
        onStep(step(id, "done", { milliseconds: 150, ...found[id] }));
      }
    },
    async cancelTest() {
      called("cancelTest");
      cancelled = true;
    },
    async saveConnection(draft, keep) {
      called("saveConnection", draft, keep);
      if (name === "keychain" && keep === "keychain") {
        throw problem("SECRET-LOCKED", "The keychain is locked, so the client secret can’t be stored.", "Unlock it and try again.");
      }
      const { clientSecret, replaces, ...fields } = draft;
      const isCertified = clientSecret.from === "service_key" && "certurl" in (JSON.parse(clientSecret.text) as object);
      const former = now.connections.find((saved) => saved.connection.name === replaces);
      const kept = clientSecret.from === "stored" ? (former?.connection.certificate ?? null) : null;
      const secret: SecretView = { state: keep === "keychain" ? "stored" : "this_run" };
      const connection = { ...fields, certificate: isCertified ? certificate : kept };
      const part = former?.part ?? (now.connections.length === 0 ? "selected" : "none");
      const own: SavedConnection = { connection, secret, part };
      become({
        connections: former ? now.connections.map((saved) => (saved === former ? own : saved)) : [...now.connections, own],
      });
      if (part !== "selected") return;
      become({
        connection,
        source: "sap_ai_core",
        secret,
        models: draft.orchestration ? orchestrationModels : foundationModels,
        selectedModel: draft.model,
        steps: doneSteps,
      });
    },
    async forgetSecret(connection) {
      called("forgetSecret", connection);
      takeSecret(connection, { state: "missing" });
    },
    async selectConnection(wanted) {
      called("selectConnection", wanted);
      use(wanted, now.connections);
    },
    async removeConnection(gone) {
      called("removeConnection", gone);
      const others = now.connections.filter(({ connection }) => connection.name !== gone);
      const next = others.find(({ part }) => part === "selected") ?? others[0];
      use(next?.connection.name, others);
    },
    async retryKeychain() {
      called("retryKeychain");
      become({ notices: now.notices.filter(({ code }) => !code.startsWith("SECRET-")) });
      for (const { connection } of now.connections) takeSecret(connection.name, { state: "stored" });
    },

    async useSimulator() {
      called("useSimulator");
      become({ source: "simulator", models: orchestrationModels, selectedModel: "gpt-5", steps: doneSteps });
    },
    async leaveSimulator() {
      called("leaveSimulator");
      become({ source: "none", proxy: { state: "stopped" }, models: [], selectedModel: null, steps: firstSnapshot("first-run").steps });
    },
    async start() {
      called("start");
      become({ proxy: { state: "starting" } });
      await pause(30);
      become({ proxy: { state: "running", address: `http://127.0.0.1:${now.settings.port}` } });
    },
    async stop() {
      called("stop");
      become({ proxy: { state: "stopped" } });
    },
    async useFreePort() {
      called("useFreePort");
      become({ settings: { ...now.settings, port: 4001 }, proxy: { state: "running", address: "http://127.0.0.1:4001" } });
    },
    async checkAgain() {
      called("checkAgain");
      if (name === "degraded") throw problem("NET-TIMEOUT", "SAP AI Core did not answer within 30 seconds.", "Check again later.");
    },
    async selectModel(model) {
      called("selectModel", model);
      become({ selectedModel: model });
    },

    async saveSettings(settings) {
      called("saveSettings", settings);
      if (settings.port === 80) throw problem("PORT-DENIED", "Port 80 needs the rights of an administrator.", "Choose one from 1024.", "port");
      if (settings.caFile === "/nowhere") throw problem("CONFIG-CA-FILE", "The CA file /nowhere can’t be read.", "Choose another.", "caFile");
      become({ settings });
    },
    startAtLogin: async () => startsAtLogin,
    async setStartAtLogin(on) {
      called("setStartAtLogin", on);
      startsAtLogin = on;
    },

    agents: async () => [
      { id: "claude-code", name: "Claude Code", forms: ["bash", "zsh", "fish", "powershell", "cmd", "file"], file: "~/.claude/settings.json" },
      { id: "codex", name: "Codex", forms: ["file", "bash", "powershell"], file: "~/.codex/config.toml" },
      { id: "kilo-code", name: "Kilo Code", forms: ["bash", "fish"], file: null },
    ],
    async snippet(agent, form) {
      const key = `${now.localKey.beginning}…`;
      const set = form === "fish" ? "set -gx " : "export ";
      return form === "file"
        ? `{\n  "env": {\n    "ANTHROPIC_BASE_URL": "http://127.0.0.1:${now.settings.port}",\n    "ANTHROPIC_AUTH_TOKEN": "${key}"\n  }\n}`
        : `# ${agent} in ${form}\n${set}ANTHROPIC_BASE_URL=http://127.0.0.1:${now.settings.port}\n${set}ANTHROPIC_AUTH_TOKEN=${key}`;
    },
    async copySnippet(agent, form) {
      called("copySnippet", agent, form);
    },
    async copyAddress() {
      called("copyAddress");
    },
    async copyLocalKey() {
      called("copyLocalKey");
    },
    async rotateLocalKey() {
      called("rotateLocalKey");
      become({ localKey: { ...now.localKey, beginning: "ct-new1" } });
    },
  };
  return fake;
}

function secretOf({ clientSecret }: ConnectionDraft): string {
  switch (clientSecret.from) {
    case "stored":
      return "stored";
    case "typed":
      return clientSecret.value;
    case "service_key":
      return String((JSON.parse(clientSecret.text) as Record<string, unknown>)["clientsecret"]);
  }
}

function problemsOf(draft: ConnectionDraft, { connections }: Snapshot): ProblemView[] {
  const found: ProblemView[] = [];
  const connection = connections.find((saved) => saved.connection.name === draft.replaces)?.connection;
  const wrong = (field: Field, code: string, sentence: string, hint: string) => found.push(problem(code, sentence, hint, field));
  const isTaken = draft.name !== draft.replaces && connections.some((saved) => saved.connection.name === draft.name);
  if (draft.name === "" || isTaken) wrong("name", "CONFIG-CONNECTION", "This is no name of its own.", "Choose another name.");
  if (draft.clientId === "") wrong("clientId", "CONFIG-MISSING", "The client ID is missing.", "Paste your service key.");
  if (secretOf(draft) === "") wrong("clientSecret", "CONFIG-MISSING", "The client secret is missing.", "Paste your service key.");
  for (const field of ["baseUrl", "authUrl"] as const) {
    if (!draft[field].startsWith("https://")) wrong(field, "CONFIG-URL", "This is no https address.", "Copy it from the service key.");
  }
  if (draft.model === null) wrong("model", "CONFIG-MODEL", "No model is chosen.", "Choose one.");
  const { timeout } = draft.orchestrationModules;
  if (timeout !== null && (timeout < 1 || timeout > 1200)) {
    wrong("orchestrationModules", "CONFIG-ORCHESTRATION", "The timeout is not between 1 and 1200 seconds.", "Complete it, or turn it off.");
  }
  if (draft.clientSecret.from === "stored" && connection && draft.authUrl !== connection.authUrl) {
    wrong("clientSecret", "CONFIG-SECRET-ORIGIN", "The stored secret belongs to another address.", "Enter the client secret again.");
  }
  return found;
}
