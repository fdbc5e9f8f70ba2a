// What the fake backend begins with, one case for each state that the window has to show.

import type { CertificateView } from "../src/backend/types/CertificateView";
import type { ConnectionView } from "../src/backend/types/ConnectionView";
import type { DeploymentView } from "../src/backend/types/DeploymentView";
import type { Field } from "../src/backend/types/Field";
import type { HiddenModel } from "../src/backend/types/HiddenModel";
import type { ModelView } from "../src/backend/types/ModelView";
import type { ProblemView } from "../src/backend/types/ProblemView";
import type { SavedConnection } from "../src/backend/types/SavedConnection";
import type { Snapshot } from "../src/backend/types/Snapshot";
import type { Step } from "../src/backend/types/Step";
import type { StepId } from "../src/backend/types/StepId";

export const cases = ["first-run", "running", "port-taken", "keychain", "foundation", "degraded", "no-offer", "several"] as const;
export type Case = (typeof cases)[number];

export function problem(code: string, sentence: string, hint = "", field: Field | null = null): ProblemView {
  return { code, sentence, hint, field };
}

export const wrongSecret = problem(
  "AUTH-401",
  "SAP AI Core refused the client secret.",
  "Copy the service key again from the BTP cockpit, or create a new one.",
);

export function step(id: StepId, status: Step["status"], more: Partial<Step> = {}): Step {
  return { id, status, count: null, hidden: null, name: null, milliseconds: null, problem: null, ...more };
}

function models(orchestration: boolean): ModelView[] {
  const providers = ["Amazon", "Anthropic", "Google", "Mistral AI", "OpenAI", null];
  const many = Array.from({ length: 58 }, (_, index): ModelView => {
    const provider = providers[index % providers.length] ?? null;
    return {
      name: `${(provider ?? "other").toLowerCase().replace(" ", "")}--model-${index + 1}`,
      displayName: `${provider ?? "Other"} Model ${index + 1}`,
      provider,
      contextLength: index % 7 === 0 ? null : 32_000 + index * 4_000,
      images: index % 3 === 0 ? null : index % 2 === 0,
      inputCost: null,
      outputCost: null,
      runningDeployments: orchestration ? null : 0,
      deprecated: false,
      retirementDate: null,
    };
  });
  return [
    {
      name: "anthropic--claude-4-sonnet",
      displayName: "Claude Sonnet 4",
      provider: "Anthropic",
      contextLength: 200_000,
      images: true,
      inputCost: "0.00244 CU",
      outputCost: "0.01221 CU",
      runningDeployments: orchestration ? null : 2,
      deprecated: true,
      retirementDate: "2026-12-31",
    },
    {
      name: "gpt-5",
      displayName: "GPT-5",
      provider: "OpenAI",
      contextLength: 400_000,
      images: true,
      inputCost: "0.00113 CU",
      outputCost: null,
      runningDeployments: orchestration ? null : 1,
      deprecated: true,
      retirementDate: null,
    },
    ...many,
  ];
}

export const orchestrationModels = models(true);
export const foundationModels = models(false);

export const hiddenModels: HiddenModel[] = [
  { name: "gpt-4", problem: problem("MODEL-CONTEXT", "It holds 8,192 tokens; coding agents need 32,000.", "Choose a newer model.", "model") },
  { name: "text-embedding-3-small", problem: problem("MODEL-TEXT", "It does not write text.", "", "model") },
];

export const deployments: DeploymentView[] = [
  { id: "d1a2b3c4d5e6", status: "RUNNING", model: "gpt-5", selectable: true, problem: null },
  { id: "d2b3c4d5e6f7", status: "RUNNING", model: "anthropic--claude-4-sonnet", selectable: true, problem: null },
  { id: "d3c4d5e6f7a8", status: "RUNNING", model: "anthropic--claude-4-sonnet", selectable: true, problem: null },
  { id: "d4d5e6f7a8b9", status: "PENDING", model: "gpt-5", selectable: false, problem: null },
  { id: "d5e6f7a8b9c0", status: "STOPPED", model: "gpt-5", selectable: false, problem: null },
  {
    id: "d6f7a8b9c0d1",
    status: "RUNNING",
    model: "gpt-4",
    selectable: false,
    problem: "It runs a version of the model that holds 8,192 tokens (MODEL-CONTEXT).",
  },
];

/** Of the x509 service key that is pasted. */
export const certificate: CertificateView = {
  subject: "CN=sb-of-the-key,OU=SAP Cloud Platform Clients,O=SAP SE,C=DE",
  validUntil: 1_795_910_400_000,
};

const connection: ConnectionView = {
  name: "SAP AI Core",
  group: null,
  clientId: "sb-1f2e3d4c-5b6a-7980!b12345|aicore!b540",
  baseUrl: "https://api.ai.prod.eu-central-1.aws.ml.hana.ondemand.com",
  authUrl: "https://my-company.authentication.eu10.hana.ondemand.com",
  resourceGroup: "default",
  orchestration: true,
  model: "anthropic--claude-4-sonnet",
  deployment: null,
  orchestrationModules: {
    prompt_caching: false,
    timeout: null,
    fallbacks: [],
    input_filter: null,
    output_filter: null,
    masking: null,
  },
  certificate: null,
};

export const doneSteps: Step[] = [
  step("service_key", "done", { name: connection.clientId }),
  step("token", "done", { milliseconds: 212 }),
  step("resource_group", "done", { name: "default", count: 3 }),
  step("models", "done", { count: 60, hidden: 2, milliseconds: 431 }),
  step("proxy", "done", { name: "http://127.0.0.1:4000" }),
  step("agent", "waiting"),
];

const firstRun: Snapshot = {
  proxy: { state: "stopped" },
  source: "none",
  connection: null,
  secret: { state: "missing" },
  connections: [],
  localKey: { beginning: "ct-7f3a", stored: true },
  steps: doneSteps.map(({ id }) => step(id, "waiting")),
  models: [],
  selectedModel: null,
  settings: { port: 4000, startProxy: true, caFile: null },
  notices: [],
  usage: { requests: 0, inputTokens: 0, outputTokens: 0, modules: [] },
  lastProblem: null,
};

const running: Snapshot = {
  ...firstRun,
  proxy: { state: "running", address: "http://127.0.0.1:4000" },
  source: "sap_ai_core",
  connection,
  secret: { state: "stored" },
  steps: doneSteps,
  models: orchestrationModels,
  selectedModel: "anthropic--claude-4-sonnet",
  usage: { requests: 128, inputTokens: 4_812_345, outputTokens: 91_827, modules: [] },
};

/** The connection in use is among the saved ones. */
export function firstSnapshot(name: Case): Snapshot {
  const snapshot = stateOf(name);
  const { connection: inUse, secret } = snapshot;
  if (inUse === null) return snapshot;
  return { ...snapshot, connections: [{ connection: inUse, secret, part: "selected" }, ...snapshot.connections] };
}

function stateOf(name: Case): Snapshot {
  switch (name) {
    case "first-run":
      return firstRun;
    case "running":
    case "no-offer":
      return running;
    case "port-taken":
      return {
        ...running,
        proxy: {
          state: "failed",
          problem: problem("PORT-TAKEN", "Port 4000 is used by another program.", "Choose another port, or end that program.", "port"),
          freePort: 4001,
          since: 1_795_336_200_000,
        },
        steps: doneSteps.map((done) => (done.id === "proxy" ? step("proxy", "waiting") : done)),
      };
    case "keychain": {
      const locked = problem("SECRET-LOCKED", "The keychain is locked.", "Unlock it and try again.", "clientSecret");
      return {
        ...running,
        proxy: { state: "stopped" },
        secret: { state: "unreadable", problem: locked },
        localKey: { beginning: "ct-9c1d", stored: false },
        notices: [locked, problem("CONFIG-SETTINGS-FILE", "The settings file can’t be read: line 3 is no setting.", "Correct it, or delete it to begin anew.")],
        steps: doneSteps.map(({ id }) => (id === "service_key" ? step(id, "failed", { problem: locked }) : step(id, "waiting"))),
      };
    }
    case "several": {
      const other = (name: string, group: string | null, part: SavedConnection["part"], more: Partial<ConnectionView> = {}): SavedConnection => ({
        connection: { ...connection, name, group, ...more },
        secret: { state: "stored" },
        part,
      });
      return {
        ...running,
        connection: { ...connection, name: "Production", group: "team" },
        connections: [
          other("Second tenant", "team", "group", { baseUrl: "https://api.second.example", authUrl: "https://auth.second.example" }),
          other("Sandbox", null, "none", { resourceGroup: "sandbox" }),
        ],
      };
    }
    case "foundation":
      return {
        ...running,
        connection: { ...connection, orchestration: false, model: null },
        models: foundationModels,
        selectedModel: null,
      };
    case "degraded":
      return {
        ...running,
        proxy: { state: "degraded", address: "http://127.0.0.1:4000", problem: wrongSecret, since: 1_795_336_200_000 },
        steps: doneSteps.map((done) => (done.id === "token" ? step("token", "failed", { problem: wrongSecret }) : done)),
        usage: { ...running.usage, modules: [{ module: "masking", requests: 12 }] },
        lastProblem: { code: "AUTH-401", status: 401, path: "/v1/messages", model: "gpt-5", modules: ["filtering", "masking"], at: 1_795_336_200_000 },
      };
  }
}
