// Opens pages in a headless Chromium and says what it found, as JSON: layout, errors, requests, accessibility, pictures.
// node browser.mjs MODULES CHROMIUM PICTURES PAGE...
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, executablePath, pictures, ...pages] = process.argv.slice(2);
const require = createRequire(join(modules, "package.json"));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const WIDTHS = [360, 768, 1280];
const SCHEMES = ["light", "dark"];

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const found = [];
for (const page of pages) {
  for (const width of WIDTHS) {
    for (const colorScheme of SCHEMES) {
      found.push(await look(page, width, colorScheme));
    }
  }
  found.push(await printed(page));
}
await browser.close();
process.stdout.write(JSON.stringify(found));

async function look(file, width, colorScheme) {
  const options = { viewport: { width, height: 900 }, colorScheme, offline: true };
  const plain = await browser.newContext(options);
  const tab = await plain.newPage();
  const errors = [];
  const requests = [];
  tab.on("pageerror", (error) => errors.push(String(error)));
  tab.on("console", (line) => ["error", "warning"].includes(line.type()) && errors.push(line.text()));
  tab.on("request", (request) => requests.push(request.url()));
  await tab.goto(pathToFileURL(file).href);
  const layout = await tab.evaluate(() => ({
    beyond: document.documentElement.scrollWidth - window.innerWidth,
    drawings: [...document.querySelectorAll("svg.wide, svg.tall")].filter((s) => s.getClientRects().length).length,
    smallest: Math.min(...[...document.querySelectorAll("svg.wide text, svg.tall text")]
      .filter((t) => t.getClientRects().length)
      .map((t) => t.getBoundingClientRect().height)),
    scripts: document.scripts.length,
    background: getComputedStyle(document.body).backgroundColor,
  }));
  const picture = join(pictures, `${basename(file, ".html")}-${width}-${colorScheme}.png`);
  await tab.screenshot({ path: picture, clip: { x: 0, y: 0, width, height: 900 } });
  await plain.close();
  // axe is a script, which the page's own policy keeps out
  const judged = await browser.newContext({ ...options, bypassCSP: true });
  const other = await judged.newPage();
  await other.goto(pathToFileURL(file).href);
  await other.addScriptTag({ content: axe });
  const violations = await other.evaluate(async () => (await axe.run()).violations.map((v) => ({
    id: v.id, help: v.help, nodes: v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200)),
  })));
  await judged.close();
  return { page: file, width, scheme: colorScheme, errors, requests: requests.length, ...layout, violations, picture };
}

async function printed(file) {
  const context = await browser.newContext({ offline: true, colorScheme: "dark" });
  const tab = await context.newPage();
  await tab.goto(pathToFileURL(file).href);
  await tab.emulateMedia({ media: "print" });
  const background = await tab.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const pdf = await tab.pdf({ format: "A4" });
  writeFileSync(join(pictures, `${basename(file, ".html")}.pdf`), pdf);
  await context.close();
  return { page: file, scheme: "print", background, bytes: pdf.length };
}
