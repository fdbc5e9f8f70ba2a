// Builds the window on its fake backend, serves it with the app's CSP, and opens pages of it in Chromium.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { build } from "vite";

const here = fileURLToPath(new URL(".", import.meta.url));
const dist = join(here, "dist");
const tauri = JSON.parse(readFileSync(join(here, "../../src-tauri/tauri.conf.json"), "utf8"));
const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".woff2": "font/woff2" };

function serve() {
  const server = createServer((request, response) => {
    const path = normalize(new URL(request.url, "http://localhost").pathname);
    try {
      const body = readFileSync(join(dist, path));
      response.setHeader("content-type", types[extname(path)] ?? "application/octet-stream");
      response.setHeader("content-security-policy", tauri.app.security.csp);
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

export async function startWindow() {
  await build({
    root: here,
    configFile: join(here, "../vite.config.ts"),
    build: { outDir: dist, emptyOutDir: true },
    logLevel: "warn",
  });
  const server = await serve();
  const origin = `http://127.0.0.1:${server.address().port}`;
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });

  return {
    /** A page of its own profile. `faults` collects what must not happen: requests elsewhere, errors, broken CSP. */
    async open(name, { colorScheme = "light", width = 1120, height = 780 } = {}) {
      const context = await browser.newContext({ colorScheme, viewport: { width, height }, reducedMotion: "reduce" });
      const page = await context.newPage();
      page.setDefaultTimeout(5000);
      const faults = [];
      await page.route("**/*", (route) => {
        const url = route.request().url();
        if (url.startsWith(origin) || url.startsWith("data:")) return route.continue();
        faults.push(`request to ${url}`);
        return route.abort();
      });
      page.on("console", (message) => {
        // Chromium itself asks for an icon of the page; Tauri's window does not.
        if (["error", "warning"].includes(message.type()) && !message.location().url.endsWith("/favicon.ico")) {
          faults.push(`${message.type()}: ${message.text()}`);
        }
      });
      page.on("pageerror", (error) => faults.push(`uncaught: ${error.stack}`));
      await page.goto(`${origin}/index.html?case=${name}`);
      await page.locator("#run-state").waitFor();
      return { page, faults, close: () => context.close() };
    },
    async close() {
      await browser.close();
      server.close();
    },
  };
}
