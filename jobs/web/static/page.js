// Draws the charts and keeps the page live: the server renders, this swaps in what it rendered anew.
"use strict";

const EVERY = 5000;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function options(width, words) {
  const line = (key, stroke, more) => ({ label: words[key], stroke, width: 1.5, points: { show: false }, ...more });
  const dots = (key, stroke) => ({ label: words[key], stroke, width: 0, paths: () => null, points: { show: true, size: 6, fill: stroke, stroke } });
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
  const faint = (name) => colour(name) + "33";
  return {
    width, height: 190, cursor: { sync: { key: "station" } }, legend: { show: false },
    // The district's clock, whatever the reader's.
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "Asia/Shanghai"),
    axes: [axis, { ...axis, size: 52 }],
    series: [
      {},
      line("readings", colour("--green"), { spanGaps: true }),
      line("span", "transparent", { spanGaps: true }), line("span", "transparent", { spanGaps: true }),
      line("hours", colour("--soft"), { spanGaps: true, width: 1 }),
      line("forecast", colour("--blue"), { spanGaps: true, dash: [5, 3] }),
      line("band", "transparent", { spanGaps: true }), line("band", "transparent", { spanGaps: true }),
      dots("suspect", colour("--amber")), dots("fail", colour("--red")),
    ],
    bands: [{ series: [3, 2], fill: faint("--green") }, { series: [7, 6], fill: faint("--blue") }],
  };
}

const columns = (c) => [c.time, c.mean, c.low, c.high, c.hour, c.forecast, c.forecast_low, c.forecast_high, c.suspect, c.fail];
const plots = new Map();

function draw(charts) {
  const words = JSON.parse(document.getElementById("charts").dataset.words);
  for (const figure of document.querySelectorAll("figure.chart")) {
    const chart = charts[figure.dataset.voice];
    figure.hidden = !chart;
    if (!chart) continue;
    const last = chart.mean.findLast((value) => value !== null);
    figure.querySelector(".value").textContent = last === undefined ? "" : last.toLocaleString("en", { maximumFractionDigits: 2 });
    const place = figure.querySelector(".plot");
    const known = plots.get(figure.dataset.voice);
    if (known) known.setData(columns(chart));
    else plots.set(figure.dataset.voice, new uPlot(options(place.clientWidth, words), columns(chart), place));
  }
  document.body.dataset.drawn = String(plots.size);
}

// One question at a time, and none for a tab that nobody sees: a slow server is not asked faster than it answers.
let asking = false;

async function refresh() {
  if (asking || document.hidden) return;
  asking = true;
  const charts = document.getElementById("charts");
  try {
    const answer = await fetch(charts ? charts.dataset.source : location.href);
    if (!answer.ok) throw new Error(String(answer.status));
    if (charts) draw(await answer.json());
    else {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      document.getElementById("live").replaceWith(page.getElementById("live"));
    }
    document.body.classList.remove("lost");
  } catch { document.body.classList.add("lost"); } finally { asking = false; }
}

const first = document.getElementById("first");
if (first) {
  draw(JSON.parse(first.textContent));
  addEventListener("resize", () => plots.forEach((plot) => plot.setSize({ width: plot.root.parentElement.clientWidth, height: 190 })));
}
setInterval(refresh, EVERY);
document.addEventListener("visibilitychange", refresh);
