// Puts the app into the page. The app and the browser tests differ only in the backend they give.

import "./ui5";
import "./fonts.css";
import "./app.css";

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { ThemeProvider } from "@ui5/webcomponents-react/ThemeProvider";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

import { App } from "./app";
import type { Backend } from "./backend/backend";
import { BackendProvider } from "./backend/context";
import { initTexts } from "./texts/texts";
import { initTheme } from "./theme";

// Rust retries by its own rules and caches what it may; asking it twice would only hide that.
const queryClient = new QueryClient({
  defaultOptions: { queries: { retry: false, refetchOnWindowFocus: false, refetchOnReconnect: false, networkMode: "always" } },
});

export async function showWindow(backend: Backend): Promise<void> {
  await Promise.all([initTexts(), initTheme()]);
  const root = document.getElementById("root");
  if (!root) throw new Error("index.html has no #root");
  createRoot(root).render(
    <StrictMode>
      <ThemeProvider>
        <QueryClientProvider client={queryClient}>
          <BackendProvider backend={backend}>
            <App />
          </BackendProvider>
        </QueryClientProvider>
      </ThemeProvider>
    </StrictMode>,
  );
}
