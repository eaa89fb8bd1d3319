// The page's news: this script asks the server for them and hands them to charts, words, bars and small pictures in their places, past Streamlit.
// Streamlit draws only the parts that have more news than values.

const MOST_FAILURES = 3; // refusals after which Streamlit draws the page or says what is wrong
const SOON = 0.2; // seconds; charts that come into view at the same time are asked for together
const MOST_DRAWING = 0.04; // of the time: a slow browser takes it from the run that it watches
const SLOWEST = 20; // seconds between two questions of a slow browser; the server takes a page that asks more seldom for one that was closed
const AWAITED = 1; // seconds; news that are due so soon are awaited (first curves, a pause), and come at their time

function isInView(selector) {
  const place = selector && document.querySelector(selector)?.getBoundingClientRect();
  return !place || (place.bottom > 0 && place.top < window.innerHeight);
}

const arrivals = new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting)) drawNewParts();
});

// Has Streamlit draw the parts in view that have more news than values. The others wait until they come into view. Calls wait for each other, so that
// no two parts are asked for at the same moment.
let drawing = Promise.resolve();
function drawNewParts() {
  drawing = drawing.then(askForParts, askForParts);
}

async function askForParts() {
  const { base, parts } = window.livePartsToDraw;
  arrivals.disconnect();
  for (const [name, { place, turn }] of parts) {
    if (window.livePartsToDraw.base !== base) return; // the page was drawn anew meanwhile
    if (!isInView(place)) {
      arrivals.observe(document.querySelector(place));
    } else if (parts.delete(name)) {
      window.livePartTriggers?.[name]?.("asked", turn);
      // Streamlit (1.67) sends what is asked for at the same moment as one request, which draws only the first part.
      await new Promise((resolve) => setTimeout(resolve));
    }
  }
}

// Gives the page's news to charts, words, bars and pictures in their places, and notes the parts that have more news.
function take({ base, turn, charts, pictures, texts, bars, news }) {
  window.livePage = { base, turn, charts: { ...(window.livePage?.base === base ? window.livePage.charts : {}), ...charts } };
  window.dispatchEvent(new Event("live-news")); // the charts draw themselves, see plotly_chart.js
  for (const [name, { src, alt, text }] of Object.entries(pictures)) {
    for (const place of document.getElementsByClassName(name)) {
      Object.assign(place.querySelector("img"), { src, alt });
      place.querySelector("span").textContent = text;
    }
  }
  for (const [name, text] of Object.entries(texts)) {
    for (const place of document.getElementsByClassName(name)) place.textContent = text;
  }
  for (const [name, percent] of Object.entries(bars)) {
    for (const place of document.getElementsByClassName(name)) {
      place.style.width = `${percent}%`;
      place.closest("[role=progressbar]")?.setAttribute("aria-valuenow", percent);
    }
  }
  if (window.livePartsToDraw?.base !== base) window.livePartsToDraw = { base, parts: new Map() };
  for (const [name, place] of news) window.livePartsToDraw.parts.set(name, { place, turn });
  drawNewParts();
}

// Resolves when the page has been drawn as it stands now. A frame's callback runs before its styles and layout, and a message sent in it after them.
function drawn() {
  return new Promise((resolve) => {
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = resolve;
      port2.postMessage(null);
    });
  });
}

// Asks for news as long as the page's element stands, at the pace that the answers name, or more slowly where the browser takes long to draw them. A
// hidden tab does not ask.
function follow(asked, box) {
  const known = window.liveNews;
  const isSame = known?.asked.base === asked.base && known.asked.every === asked.every;
  window.liveNews = isSame ? { ...known, box } : { asked, box, failures: 0, timer: known?.timer };
  if (!isSame) plan(asked.every);
}

function plan(seconds) {
  clearTimeout(window.liveNews.timer);
  window.liveNews.timer = setTimeout(ask, 1000 * seconds);
}

async function ask() {
  const { asked, box, timer } = window.liveNews ?? {};
  if (!box?.isConnected) {
    window.liveNews = undefined; // the page was left, or its run has ended
    return;
  }
  if (document.hidden) return;
  const plots = [...document.querySelectorAll(".live-plot")].filter((plot) => plot.inView && plot.latest?.base === asked.base);
  const seen = Object.fromEntries(plots.map((plot) => [plot.latest.name, plot.known]));
  let every = asked.every;
  try {
    const answer = await fetch(asked.url, { method: "POST", body: JSON.stringify(seen) });
    if (window.liveNews?.asked !== asked) return; // the page was drawn anew meanwhile
    if (answer.ok) {
      const news = await answer.json();
      if (window.liveNews?.asked !== asked) return;
      window.liveNews.failures = 0;
      const begun = performance.now();
      take(news);
      await drawn();
      const took = (performance.now() - begun) / 1000;
      every = news.every > AWAITED ? Math.max(news.every, Math.min(took / MOST_DRAWING, SLOWEST)) : news.every;
    } else if (++window.liveNews.failures % MOST_FAILURES === 0) {
      window.livePartTriggers?.[asked.part]?.("asked", -Date.now());
    }
  } catch { /* the server does not answer: the page says so by its connection */ }
  const isPlanned = window.liveNews?.timer !== timer; // a chart came into view meanwhile, or the tab was hidden and is seen again
  if (window.liveNews?.asked === asked && !isPlanned) plan(every);
}

function askSoon(seconds) {
  if (window.liveNews && !document.hidden) plan(seconds);
}

document.addEventListener("visibilitychange", () => askSoon(0));
window.addEventListener("live-plot-seen", () => askSoon(SOON));

export default function ({ parentElement, data, setTriggerValue }) {
  if (data.part) {
    (window.livePartTriggers ??= {})[data.part] = setTriggerValue;
    return;
  }
  follow(data.follow, parentElement.querySelector("span"));
}
