import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

import packageFile from "./package.json" with { type: "json" };

// UI5's own @font-face rules name a public CDN. They are switched off in index.html; here they don't even get in.
const withoutCdnFonts: Plugin = {
  name: "without-cdn-fonts",
  load: (id) => (id.endsWith("/generated/css/FontFace.css.js") ? 'export default "";' : null),
};

export default defineConfig({
  base: "./",
  plugins: [react(), withoutCdnFonts],
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
