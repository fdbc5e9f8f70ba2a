// The only door to Rust: what the pages can ask for. `tauri.ts` is the app's twin of it.
// A call that fails rejects with a ProblemView.

import type { AgentView } from "./types/AgentView";
import type { ConnectionDraft } from "./types/ConnectionDraft";
import type { Keep } from "./types/Keep";
import type { Offer } from "./types/Offer";
import type { ProblemView } from "./types/ProblemView";
import type { ServiceKeyFields } from "./types/ServiceKeyFields";
import type { SettingsView } from "./types/SettingsView";
import type { Snapshot } from "./types/Snapshot";
import type { Step } from "./types/Step";

export interface Backend {
  /** All that is true now. */
  snapshot(): Promise<Snapshot>;
  /** Calls `listener` with every new snapshot until the returned function is called. */
  onSnapshot(listener: (snapshot: Snapshot) => void): Promise<() => void>;

  /** Reads a pasted service key (plain, inside `credentials`, or VCAP_SERVICES). Secret or private key stay where they are. */
  readServiceKey(text: string): Promise<ServiceKeyFields>;
  /** What is wrong with the form, each problem with its field; empty when it can be saved. */
  validateConnection(draft: ConnectionDraft): Promise<ProblemView[]>;
  /** What there is to choose from with these credentials. */
  offer(draft: ConnectionDraft): Promise<Offer>;
  /** Tries the connection and tells each step as it goes. Resolves when the test is over, whatever came of it. */
  testConnection(draft: ConnectionDraft, onStep: (step: Step) => void): Promise<void>;
  /** Ends a running test; its promise resolves. */
  cancelTest(): Promise<void>;
  /** Saves the form, in the place of the connection it replaces or as a new one; its secret goes where `keep` says. */
  saveConnection(draft: ConnectionDraft, keep: Keep): Promise<void>;
  /** Removes a saved connection's secret from the keychain and from memory. */
  forgetSecret(connection: string): Promise<void>;
  /** Lets models come from this saved connection. */
  selectConnection(name: string): Promise<void>;
  /** Removes a saved connection, and its secret unless another one has the same. */
  removeConnection(name: string): Promise<void>;
  /** Asks the keychain again, after it did not answer. */
  retryKeychain(): Promise<void>;

  /** Lets the built-in simulator answer instead of SAP AI Core. */
  useSimulator(): Promise<void>;
  /** Goes back to the saved connection, or to none. */
  leaveSimulator(): Promise<void>;

  start(): Promise<void>;
  stop(): Promise<void>;
  /** Chooses the next free port and starts there, when the chosen one is taken. */
  useFreePort(): Promise<void>;
  /** Does the overview's steps anew. */
  checkAgain(): Promise<void>;
  selectModel(name: string): Promise<void>;

  saveSettings(settings: SettingsView): Promise<void>;
  /** Whether the app starts at login, as the system says it. */
  startAtLogin(): Promise<boolean>;
  setStartAtLogin(on: boolean): Promise<void>;

  agents(): Promise<AgentView[]>;
  /** The set-up of an agent in one of its forms, with the local key hidden. */
  snippet(agent: string, form: string): Promise<string>;
  /** Puts the set-up with the local key into the clipboard. */
  copySnippet(agent: string, form: string): Promise<void>;
  copyAddress(): Promise<void>;
  copyLocalKey(): Promise<void>;
  /** Makes a new local key; agents that have the old one are refused from then on. */
  rotateLocalKey(): Promise<void>;
}
