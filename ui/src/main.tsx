import { tauriBackend } from "./backend/tauri";
import { showWindow } from "./window";

void showWindow(tauriBackend);
