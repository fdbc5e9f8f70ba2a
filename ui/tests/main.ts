// The window on the fake backend: `?case=running`.

import { showWindow } from "../src/window";
import { calls, fakeBackend } from "./fake-backend";
import { cases } from "./fake-data";

const wanted = new URLSearchParams(location.search).get("case");
Object.assign(window, { calls });
void showWindow(fakeBackend(cases.find((name) => name === wanted) ?? "first-run"));
