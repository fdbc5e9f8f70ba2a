// The app's twin of Backend. Nothing else in `ui` may import `@tauri-apps/*`.

import { Channel, invoke } from "@tauri-apps/api/core";
import { listen } from "@tauri-apps/api/event";

import type { Backend } from "./backend";
import type { Snapshot } from "./types/Snapshot";
import type { Step } from "./types/Step";

export const tauriBackend: Backend = {
  snapshot: () => invoke("snapshot"),
  onSnapshot: (listener) => listen<Snapshot>("snapshot", (event) => listener(event.payload)),

  readServiceKey: (text) => invoke("read_service_key", { text }),
  validateConnection: (draft) => invoke("validate_connection", { draft }),
  offer: (draft) => invoke("offer", { draft }),
  testConnection: (draft, onStep) => invoke("test_connection", { draft, onStep: new Channel<Step>(onStep) }),
  cancelTest: () => invoke("cancel_test"),
  saveConnection: (draft, keep) => invoke("save_connection", { draft, keep }),
  forgetSecret: (connection) => invoke("forget_secret", { connection }),
  selectConnection: (name) => invoke("select_connection", { name }),
  removeConnection: (name) => invoke("remove_connection", { name }),
  retryKeychain: () => invoke("retry_keychain"),

  useSimulator: () => invoke("use_simulator"),
  leaveSimulator: () => invoke("leave_simulator"),

  start: () => invoke("start"),
  stop: () => invoke("stop"),
  useFreePort: () => invoke("use_free_port"),
  checkAgain: () => invoke("check_again"),
  selectModel: (name) => invoke("select_model", { name }),

  saveSettings: (settings) => invoke("save_settings", { settings }),
  startAtLogin: () => invoke("start_at_login"),
  setStartAtLogin: (on) => invoke("set_start_at_login", { on }),

  agents: () => invoke("agents"),
  snippet: (agent, form) => invoke("snippet", { agent, form }),
  copySnippet: (agent, form) => invoke("copy_snippet", { agent, form }),
  copyAddress: () => invoke("copy_address"),
  copyLocalKey: () => invoke("copy_local_key"),
  rotateLocalKey: () => invoke("rotate_local_key"),
};
