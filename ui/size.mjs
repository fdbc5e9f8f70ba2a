// What the window loads before its first paint, compressed: all that index.html names, which is the entry, what it
// imports at once, and their styles.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const limit = 450_000;
const page = readFileSync(new URL("dist/index.html", import.meta.url), "utf8");
const files = [...page.matchAll(/(?:src|href)="\.\/([^"]+)"/g)].map(([, file]) => file);
let total = 0;
for (const file of files) {
  const size = gzipSync(readFileSync(new URL(`dist/${file}`, import.meta.url))).length;
  console.log(`${file} ${size} bytes gzip`);
  total += size;
}
console.log(`before the first paint: ${total} of at most ${limit} bytes gzip`);
if (files.length === 0 || total > limit) process.exit(1);
