// The part of two pictures' points that differ: node compare.mjs MODULES ONE OTHER
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, one, other] = process.argv.slice(2);
const require = createRequire(join(modules, "package.json"));
const { PNG } = require("pngjs");
const { default: pixelmatch } = await import(pathToFileURL(join(modules, "node_modules/pixelmatch/index.js")).href);
const [a, b] = [one, other].map((path) => PNG.sync.read(readFileSync(path)));
const same = a.width === b.width && a.height === b.height;
const different = same ? pixelmatch(a.data, b.data, null, a.width, a.height, { threshold: 0.2 }) : a.width * a.height;
process.stdout.write(JSON.stringify({ part: different / (a.width * a.height) }));
