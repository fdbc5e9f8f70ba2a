// The window on the fake backend: `?case=running`.

import { showWindow } from "../src/window";
import { calls, fakeBackend } from "./fake-backend";
import { cases } from "./fake-data";

const wanted = new URLSearchParams(location.search).get("case");
const backend = fakeBackend(cases.find((name) => name === wanted) ?? "first-run");
// The tray calls the same backend as the window.
Object.assign(window, { calls, tray: backend });
void showWindow(backend);
