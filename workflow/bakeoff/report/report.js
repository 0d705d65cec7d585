"use strict";
// What a reader may do with the page: choose its colours, turn to a model's page, sort and filter tables, choose the
// axes of the plot. All that it says stands in the HTML; text goes into the page by textContent alone.

const root = document.documentElement;
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const one = (selector, within = document) => within.querySelector(selector);

// What the page itself says, where not in English.
const texts = JSON.parse(one("#plotted").textContent).texts;
const say = (text, values = {}) => (texts[text] ?? text).replace(/\{(\w)\}/g, (_, name) => values[name]);

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// --- colours -------------------------------------------------------------------------------------------------------

const THEMES = ["auto", "light", "dark"];

function kept(key, value) {
  // A file that was opened from a disk may be refused its storage.
  try {
    if (value !== undefined) localStorage.setItem(key, value);
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function setTheme(theme) {
  root.dataset.theme = theme;
  const button = one(".theme");
  button.replaceChildren("◐", element("span", ` ${say(theme)}`));
  button.title = say("Colours: of the system, light, dark");
  button.hidden = false;
  button.onclick = () => {
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    kept("theme", next);
    setTheme(next);
    draw();
  };
}

// --- pages ---------------------------------------------------------------------------------------------------------

let left = null; // how far the report was scrolled when a model's page was turned to

function target() {
  try {
    return document.getElementById(decodeURIComponent(location.hash.slice(1)));
  } catch {
    return null;
  }
}

function turn() {
  const found = target();
  const page = found && found.classList.contains("page") ? found : null;
  if (page && left === null) left = scrollY;
  for (const other of all(".page")) other.classList.toggle("open", other === page);
  root.classList.toggle("turned", page !== null);
  for (const tip of all(".tip")) tip.hidden = true;
  if (page) {
    all("table", page).forEach(sortable);
    scrollTo(0, 0);
    page.focus({ preventScroll: true });
  } else {
    if (found) found.scrollIntoView();
    else if (left !== null) scrollTo(0, left);
    left = null;
  }
}

function follow() {
  const links = new Map(all("nav a").map((link) => [link.getAttribute("href").slice(1), link]));
  const seen = new IntersectionObserver(
    (entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        for (const link of links.values()) link.removeAttribute("aria-current");
        links.get(entry.target.id)?.setAttribute("aria-current", "true");
      }
    },
    { rootMargin: "-10% 0px -80% 0px" },
  );
  for (const section of all("main > section")) seen.observe(section);
}

// --- tables --------------------------------------------------------------------------------------------------------

/** The number that a cell's text begins with, as in "+0.90 (+0.52 to +1.28)"; NaN where there is none. */
function number(text) {
  const found = text.replaceAll("−", "-").match(/^[<>\s]*([+-]?[\d,]*\.?\d+)/);
  return found ? Number(found[1].replaceAll(",", "")) : NaN;
}

function compare(a, b, down) {
  const [x, y] = [number(a), number(b)];
  if (Number.isNaN(x) || Number.isNaN(y)) {
    if (!Number.isNaN(x)) return -1; // what is no number stays last
    if (!Number.isNaN(y)) return 1;
    return a.localeCompare(b, undefined, { numeric: true }) * (down ? -1 : 1);
  }
  return (x - y) * (down ? -1 : 1);
}

function sortable(table) {
  if (one("thead button", table)) return;
  const bodies = all("tbody", table).map((body) => {
    const rows = all("tr.row", body).map((row) => [row, row.nextElementSibling?.matches(".said") ? row.nextElementSibling : null]);
    return { body, rows };
  });
  if (bodies.every(({ rows }) => rows.length < 2)) return;
  const heads = all("thead th", table);
  heads.forEach((head, column) => {
    const button = element("button", "", { type: "button" });
    button.append(...head.childNodes);
    head.append(button);
    const words = head.classList.contains("left");
    button.onclick = () => {
      // First what one looks for: the largest number, the first name. Then the other way, then as it was.
      const order = words ? ["ascending", "descending", null] : ["descending", "ascending", null];
      const now = order[(order.indexOf(head.getAttribute("aria-sort")) + 1) % order.length];
      for (const other of heads) other.removeAttribute("aria-sort");
      if (now) head.setAttribute("aria-sort", now);
      for (const { body, rows } of bodies) {
        const text = ([row]) => row.cells[column].textContent.trim();
        const sorted = now ? rows.toSorted((a, b) => compare(text(a), text(b), now === "descending")) : rows;
        body.append(...sorted.flat().filter(Boolean));
      }
    };
  });
}

/** A button before the name of a row that something is said of; what is said is folded until it is asked for. */
function foldable(said) {
  const button = element("button", "", { type: "button", class: "more", "aria-expanded": "false", "aria-label": say("What this row says") });
  said.hidden = true;
  button.onclick = () => {
    said.hidden = !said.hidden;
    button.setAttribute("aria-expanded", String(!said.hidden));
  };
  said.previousElementSibling.cells[0].prepend(button);
  said.previousElementSibling.removeAttribute("title");
}

function filterable(form) {
  const section = form.closest("section");
  const rows = all("tr.row[data-dataset]", section);
  if (rows.length < 2) return;
  const [search, choices, output] = [one("input", form), all("select", form), one("output", form)];
  const apply = () => {
    const wanted = search.value.trim().toLocaleLowerCase();
    let shown = 0;
    for (const row of rows) {
      const fits = choices.every((choice) => !choice.value || row.dataset[choice.dataset.axis] === choice.value);
      const hit = fits && row.textContent.toLocaleLowerCase().includes(wanted);
      row.classList.toggle("out", !hit);
      shown += hit;
    }
    for (const block of all(".table", section).filter((found) => one("tr.row[data-dataset]", found))) {
      for (const body of all("tbody", block)) body.hidden = !one("tr.row:not(.out)", body);
      block.hidden = !one("tr.row:not(.out)", block);
    }
    output.textContent = shown === rows.length ? say("{n} rows", { n: shown }) : say("{n} of {m} rows", { n: shown, m: rows.length });
  };
  form.hidden = false;
  form.oninput = apply;
  form.onsubmit = (event) => event.preventDefault();
  apply();
}

// --- the plot ------------------------------------------------------------------------------------------------------

const plotted = JSON.parse(one("#plotted").textContent);
const axes = one(".axes");
const plot = one(".plot");
let view = null;

/** Run Vega, which is kept as text until the plot is in sight; the page's policy knows it by its hash. */
function load() {
  if (window.vegaEmbed) return;
  document.head.append(element("script", one("#library").textContent));
}

function prepare() {
  const options = (name, choices) =>
    axes.elements[name].append(...choices.map(([value, text]) => element("option", text, { value })));
  if (!plotted.costs.length || !plotted.metrics.length) return false;
  options("x", plotted.costs.map(({ id, label, unit }) => [id, unit ? `${label} (${unit})` : label]));
  options("y", [...plotted.metrics, ...plotted.costs].map(({ id, label, unit }) => [id, unit ? `${label} (${unit})` : label]));
  const datasets = [...new Set(plotted.points.map(({ dataset }) => dataset))];
  options("dataset", datasets.map((name) => [name, name]));
  options("condition", plotted.conditions.map((name, i) => [i, name]));
  axes.elements.dataset.parentElement.hidden = datasets.length < 2;
  axes.elements.condition.parentElement.hidden = plotted.conditions.length < 2;
  axes.onchange = draw;
  axes.onsubmit = (event) => event.preventDefault();
  for (const shown of [axes, plot, one(".plotted")]) shown.hidden = false;
  return true;
}

/** The value of a point on an axis, with its spread where it is a score; null where there is none. */
function value(point, axis, condition) {
  if ("scale" in axis) {
    const score = point.scores[axis.id];
    if (!score) return null;
    const [mean, std] = [score[0] * axis.scale, (score[1] ?? 0) * axis.scale];
    return { at: mean, lo: mean - std, hi: mean + std, n: score[2] };
  }
  const at = point[axis.id] ?? point.costs[condition]?.[axis.id];
  return at === undefined ? null : { at, lo: at, hi: at };
}

/** The points that none other beats at the same or less cost. */
function frontier(points, x, y) {
  const [across, up] = [x.more ? -1 : 1, y.more ? 1 : -1];
  const best = [];
  for (const point of points.toSorted((a, b) => across * (a.x - b.x) || up * (b.y - a.y))) {
    if (!best.length || up * point.y > up * best.at(-1).y) best.push(point);
  }
  return best.map(({ x, y }, order) => ({ x, y, order }));
}

function points(x, y, condition, dataset) {
  const first = plotted.points[0].variant;
  return plotted.points
    .filter((point) => point.dataset === dataset)
    .flatMap((point) => {
      const [across, up] = [value(point, x, condition), value(point, y, condition)];
      if (!across || !up) return [];
      const { model, variant, page } = point;
      return [{ x: across.at, y: up.at, lo: up.lo, hi: up.hi, n: up.n, model, variant, page, first: variant === first, doubts: point.doubts[condition] ?? [] }];
    });
}

function specification(data, x, y, width) {
  const ink = getComputedStyle(document.body).color;
  const colours = { domain: plotted.looks.map(({ model }) => model), range: plotted.looks.map(({ colour }) => (colour === "ink" ? ink : colour)) };
  const shapes = { domain: colours.domain, range: plotted.looks.map(({ shape }) => shape) };
  const scale = (axis) => (axes.elements.log.checked && !("scale" in axis) ? { type: "log", nice: false, padding: 18 } : { zero: false, padding: 18 });
  const title = ({ label, unit }) => (unit ? `${label} (${unit})` : label);
  const axis = (of) => ({ title: title(of), format: of.unit || "scale" in of ? "~r" : "~s", grid: true, labelOverlap: true, tickCount: 6 });
  const at = {
    x: { field: "x", type: "quantitative", scale: scale(x), axis: axis(x) },
    y: { field: "y", type: "quantitative", scale: scale(y), axis: axis(y) },
  };
  const narrow = width < 560;
  const legend = { title: null, orient: narrow ? "bottom" : "right", columns: narrow ? 2 : data.length > 40 ? 2 : 1, symbolLimit: 60, labelLimit: narrow ? 130 : 180 };
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    width: Math.max(200, narrow ? width - 70 : Math.min(width - 260, 720)),
    height: narrow ? 280 : 380,
    background: null,
    data: { values: data },
    layer: [
      { data: { values: frontier(data, x, y) }, mark: { type: "line", interpolate: x.more ? "step-before" : "step-after", strokeDash: [5, 4], strokeWidth: 1 }, encoding: { ...at, order: { field: "order" }, color: { value: "gray" } } },
      { mark: { type: "rule", strokeWidth: 1, opacity: 0.7 }, encoding: { x: at.x, y: { ...at.y, field: "lo" }, y2: { field: "hi" }, color: { field: "model", type: "nominal", scale: colours, legend } } },
      ...[true, false].map((first) => ({
        transform: [{ filter: `datum.first == ${first}` }],
        mark: { type: "point", filled: first, size: first ? 110 : 90, strokeWidth: 1.8, opacity: 1, cursor: "pointer" },
        encoding: {
          ...at,
          color: { field: "model", type: "nominal", scale: colours, legend },
          shape: { field: "model", type: "nominal", scale: shapes, legend },
          tooltip: { field: "model" },
        },
      })),
    ],
    config: {
      font: "system-ui, sans-serif",
      axis: { labelColor: ink, titleColor: ink, gridColor: "#8884", domainColor: "#8888", tickColor: "#8888", titleFontWeight: "normal", labelFontSize: 12, titleFontSize: 13, titlePadding: 10 },
      legend: { labelColor: ink, labelFontSize: 12, rowPadding: 4 },
      view: { stroke: null },
    },
  };
}

const sharp = (found) => Number(found.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 });

function hover(x, y) {
  const box = one(".tip") ?? document.body.appendChild(element("div", "", { class: "tip", role: "tooltip", hidden: "" }));
  return (_, event, item, value) => {
    const point = value ? item?.datum : null; // Vega names the item that the pointer leaves, too, without a value
    box.hidden = !point?.page;
    if (box.hidden) return;
    const spread = point.n > 1 ? ` ± ${sharp(point.hi - point.y)} (n = ${point.n})` : "";
    box.replaceChildren(
      element("strong", point.model),
      element("span", point.variant),
      element("span", `${y.label}: ${sharp(point.y)}${spread} ${y.unit}`),
      element("span", `${x.label}: ${sharp(point.x)} ${x.unit}`),
      ...(point.doubts.length && !("scale" in x) ? [element("span", `§ ${point.doubts.join("; ")}`)] : []),
    );
    const at = event.clientX === undefined ? event.target.getBoundingClientRect() : { x: event.clientX, y: event.clientY };
    box.style.left = `${Math.max(8, Math.min(at.x + 14, innerWidth - box.offsetWidth - 8))}px`;
    box.style.top = `${Math.max(8, Math.min(at.y + 14, innerHeight - box.offsetHeight - 8))}px`;
  };
}

/** The plot's points are reached with the keyboard, too. */
function reachable(tip) {
  for (const mark of all(".mark-symbol.role-mark path", plot)) {
    const item = mark.__data__;
    const point = item?.datum;
    if (!point?.page) continue;
    mark.setAttribute("tabindex", "0");
    mark.setAttribute("role", "link");
    mark.setAttribute("aria-label", [point.model, point.variant].join(", "));
    mark.onfocus = () => tip(null, { target: mark }, item, point.model);
    mark.onblur = () => tip(null, {}, null);
    mark.onkeydown = (event) => event.key === "Enter" && visit(point);
  }
}

function visit(point) {
  one(".tip").hidden = true;
  location.hash = encodeURIComponent(point.page).replaceAll("%2F", "/");
}

let drawn = 0;
async function draw() {
  if (plot.hidden || !window.vegaEmbed) return;
  const [x, y] = [axes.elements.x.value, axes.elements.y.value].map((id) => [...plotted.costs, ...plotted.metrics].find((found) => found.id === id));
  const data = points(x, y, Number(axes.elements.condition.value || 0), axes.elements.dataset.value);
  const turnOf = ++drawn;
  if (!data.length) {
    plot.replaceChildren(element("p", say("No finished run has both."), { class: "quiet" }));
    return;
  }
  const tip = hover(x, y);
  const into = document.createElement("div");
  const made = await vegaEmbed(into, specification(data, x, y, plot.clientWidth), { mode: "vega-lite", renderer: "svg", actions: false, ast: true, defaultStyle: false, tooltip: tip });
  if (turnOf !== drawn) {
    made.finalize(); // another choice was made meanwhile
    return;
  }
  view?.finalize();
  view = made;
  made.view.addEventListener("click", (_, item) => item?.datum?.page && visit(item.datum));
  plot.replaceChildren(into);
  reachable(tip);
}

// --- all of it -----------------------------------------------------------------------------------------------------

root.classList.add("js");
setTheme(THEMES.includes(kept("theme")) ? kept("theme") : "auto");
all("main table").forEach(sortable); // those of a model's page when it is turned to
all("tr.said").forEach(foldable);
filterable(one(".filter"));
addEventListener("hashchange", turn);
turn();
follow();
for (const fold of all("details[data-shut]")) fold.open = false; // without a script all is open
if (prepare()) {
  const sight = new IntersectionObserver(([{ isIntersecting }]) => {
    if (!isIntersecting) return;
    sight.disconnect();
    load();
    draw();
  }, { rootMargin: "800px" });
  sight.observe(plot);
  let width = plot.clientWidth;
  new ResizeObserver(() => {
    if (plot.clientWidth && plot.clientWidth !== width) {
      width = plot.clientWidth;
      draw();
    }
  }).observe(plot);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}
// Paper has no folds.
addEventListener("beforeprint", () => all("details").forEach((fold) => (fold.open = true)));
