import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

import packageFile from "./package.json" with { type: "json" };

export default defineConfig({
  base: "./",
  plugins: [react()],
  define: { __VERSION__: JSON.stringify(packageFile.version) },
  build: {
    outDir: "dist",
    // WebKitGTK 2.50, WKWebView of macOS 13 and WebView2 all have it.
    target: "safari16",
    modulePreload: { polyfill: false },
    // The size that matters is measured by size.mjs.
    chunkSizeWarningLimit: 4000,
  },
  // The port of `devUrl` in tauri.conf.json.
  server: { host: "127.0.0.1", port: 1420, strictPort: true },
});
