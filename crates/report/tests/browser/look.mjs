// Opens pages in a headless Chromium, with the network off, and says what it finds, as JSON.
//
// node look.mjs '{"pages": ["/a.html"], "screenshot": {"page": "/a.html", "to": "/a.png", "width": 800, "height": 900}}'

import chromium from "@sparticuz/chromium";
import puppeteer from "puppeteer-core";
import { pathToFileURL } from "node:url";

const SCHEMES = ["light", "dark"];
// A telephone, a desk, and A4 at 96 dots in an inch.
const WIDTHS = { screen: [360, 1200], print: [794] };

const task = JSON.parse(process.argv[2]);
const browser = await puppeteer.launch({
  executablePath: await chromium.executablePath(),
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars"],
  headless: "shell",
});

/// What a page shows, looked at in the page itself.
function inspect() {
  const problems = [];
  const record = JSON.parse(document.querySelector("#record").textContent);
  const at = (pointer) =>
    pointer.split("/").slice(1).reduce((value, key) => value?.[key.replaceAll("~1", "/").replaceAll("~0", "~")], record);
  const clean = (text) => text.replace(/[\p{Cc}\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2028\u2029\ufeff]/gu, " ");

  let numbers = 0;
  for (const element of document.querySelectorAll("[data-at]")) {
    const recorded = at(element.dataset.at);
    const shown =
      element.localName === "data" ? Number(element.value)
      : element.localName === "time" ? element.dateTime
      : (element.dataset.said ?? element.textContent);
    const expected = typeof recorded === "string" ? clean(recorded) : recorded;
    if (shown !== expected) problems.push(`${element.dataset.at}: shows ${shown}, recorded is ${recorded}`);
    numbers += 1;
  }
  for (const element of document.querySelectorAll("[data-from][data-until]")) {
    const secs = (Date.parse(at(element.dataset.until)) - Date.parse(at(element.dataset.from))) / 1000;
    if (Number(element.value) !== Math.trunc(secs)) problems.push(`${element.dataset.from}: lasted ${element.value}, not ${secs}`);
    numbers += 1;
  }

  const luminance = (colour) => {
    const [red, green, blue] = colour.match(/[\d.]+/g).slice(0, 3).map((part) => {
      const share = Number(part) / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  // https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
  const contrast = (one, other) => {
    const [dark, bright] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const background = (element) => {
    for (let here = element; here; here = here.parentElement) {
      const colour = getComputedStyle(here).backgroundColor;
      if (!/, 0\)$/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const readable = (element, colour, least) => {
    const found = contrast(colour, background(element));
    if (found < least) problems.push(`${element.outerHTML.slice(0, 120)}: contrast ${found.toFixed(2)}`);
  };
  for (const element of document.querySelectorAll("h1, p, dt, dd, th, td, summary, .verdict, .status, a")) {
    readable(element, getComputedStyle(element).color, 4.5);
  }
  for (const element of document.querySelectorAll("svg text")) readable(element, getComputedStyle(element).fill, 4.5);
  for (const element of document.querySelectorAll('svg polyline[stroke-width="2"], svg polyline[stroke-width="3"]')) {
    readable(element, getComputedStyle(element).stroke, 3);
  }

  const figures = [...document.querySelectorAll("figure")].map((figure) => {
    const svg = figure.querySelector("svg");
    const box = svg.getBoundingClientRect();
    for (const text of svg.querySelectorAll("text")) {
      const words = text.getBoundingClientRect();
      const inside = words.left >= box.left && words.right <= box.right && words.top >= box.top && words.bottom <= box.bottom;
      if (!inside) problems.push(`"${text.textContent.trim()}" leaves its plot`);
    }
    return {
      measure: figure.dataset.measure ?? null,
      visible: box.width > 200 && box.height > 100,
      described: svg.getAttribute("role") === "img" && svg.querySelector("title").textContent !== "" && svg.querySelector("desc").textContent !== "",
      drawn: svg.querySelectorAll("polyline, circle, rect, polygon").length,
    };
  });
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) problems.push(`${scrollWidth} wide in a window of ${clientWidth}`);
  return { problems, numbers, figures, text: document.body.innerText.length, paper: getComputedStyle(document.body).backgroundColor };
}

async function open(path, { scheme, media, width, height = 900 }) {
  const page = await browser.newPage();
  const heard = [];
  page.on("console", (message) => heard.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => heard.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => { heard.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => { if (request.url() !== pathToFileURL(path).href) heard.push(`request: ${request.url()}`); });
  await page.setOfflineMode(true);
  await page.setViewport({ width, height });
  // Both in one: puppeteer's own functions for them undo each other.
  const session = await page.createCDPSession();
  await session.send("Emulation.setEmulatedMedia", { media, features: [{ name: "prefers-color-scheme", value: scheme }] });
  await page.goto(pathToFileURL(path).href);
  return { page, heard };
}

const looks = [];
for (const path of task.pages) {
  for (const media of Object.keys(WIDTHS)) {
    for (const scheme of SCHEMES) {
      for (const width of WIDTHS[media]) {
        const { page, heard } = await open(path, { scheme, media, width });
        const found = await page.evaluate(inspect);
        const sheets = media === "print" ? (await page.pdf({ format: "A4", printBackground: true })).length : null;
        looks.push({ path, media, scheme, width, heard, sheets, ...found });
        await page.close();
      }
    }
  }
}
if (task.screenshot) {
  const { width, height, to } = task.screenshot;
  const { page } = await open(task.screenshot.page, { scheme: "light", media: "screen", width, height });
  await page.screenshot({ path: to });
}
await browser.close();
console.log(JSON.stringify(looks));
