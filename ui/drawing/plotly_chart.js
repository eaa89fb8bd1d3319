// A Plotly chart that is updated in place: zoom, hidden lines and scroll position survive a live refresh, and the browser
// redraws lines instead of building a new chart. Streamlit's own plotly_chart mounts a new one whenever its figure changes.

function loadPlotly(url) {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  window.plotlyLoading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = url;
    script.onload = () => resolve(window.Plotly);
    script.onerror = () => reject(new Error(url));
    document.head.appendChild(script);
  });
  return window.plotlyLoading;
}

function themed(layout, box) {
  const style = getComputedStyle(box);
  const text = style.getPropertyValue("--st-text-color").trim() || style.color;
  const back = style.getPropertyValue("--st-background-color").trim() || "#fff";
  layout.font = { color: text, family: style.fontFamily, size: 12 };
  layout.hoverlabel = { bgcolor: back, font: { color: text } };
  layout.modebar = { bgcolor: "rgba(0,0,0,0)", color: "rgba(128,128,128,0.6)", activecolor: text };
  return layout;
}

const SOON = 0.2; // seconds; charts that come into view at the same time are asked for together

// Only visible charts are drawn. The others wait until they are scrolled into view or their browser tab becomes visible.
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    entry.target.inView = entry.isIntersecting;
    if (!entry.isIntersecting) continue;
    draw(entry.target);
    const base = entry.target.latest?.base;
    if (base && window.livePage?.base === base) plan(SOON); // answers had no figure for it while it was out of view
  }
}, { rootMargin: "100px" });
document.addEventListener("visibilitychange", () => {
  document.querySelectorAll(".live-plot").forEach(draw);
  if (window.liveNews && !document.hidden) plan(0);
});

// What the server answered last for each chart of one drawing of the page: see live_page.py. A chart takes its newer figure from it, in whatever order
// the two arrive, and again if the browser builds the chart anew. A figure counts for the drawing that it follows on: a later drawing is newer.
function newest(data) {
  const fed = data?.base && window.livePage?.base === data.base ? window.livePage.charts[data.name] : undefined;
  return fed?.follows === data?.revision ? { ...data, ...fed } : data;
}

function isInView(selector) {
  const place = selector && document.querySelector(selector)?.getBoundingClientRect();
  return !place || (place.bottom > 0 && place.top < window.innerHeight);
}

// Gives the page's news to charts, words, bars and pictures in their places, and has Streamlit draw the parts that have more news.
function take({ base, turn, charts, pictures, texts, bars, news }) {
  window.livePage = { base, turn, charts: { ...(window.livePage?.base === base ? window.livePage.charts : {}), ...charts } };
  document.querySelectorAll(".live-plot").forEach(draw);
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
  for (const [name, place] of news) if (isInView(place)) window.livePartTriggers?.[name]?.("asked", turn);
}

// Asks for news as long as the page's element stands, at the pace that the answers name. A hidden tab does not ask.
const MOST_FAILURES = 3;

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
  const { asked, box } = window.liveNews;
  if (!box.isConnected) {
    window.liveNews = undefined; // the page was left, or its run has ended
    return;
  }
  if (document.hidden) return;
  const seen = [...document.querySelectorAll(".live-plot")].filter((plot) => plot.inView && plot.latest?.base === asked.base).map((plot) => plot.latest.name);
  let every = asked.every;
  try {
    const answer = await fetch(asked.url, { method: "POST", body: JSON.stringify(seen) });
    if (window.liveNews?.asked !== asked) return; // the page was drawn anew meanwhile
    if (answer.ok) {
      const news = await answer.json();
      if (window.liveNews?.asked !== asked) return;
      window.liveNews.failures = 0;
      every = news.every;
      take(news);
    } else if (++window.liveNews.failures % MOST_FAILURES === 0) {
      window.livePartTriggers?.top?.("asked", -Date.now()); // Streamlit draws the page or says what is wrong
    }
  } catch { /* the server does not answer: the page says so by its connection */ }
  if (window.liveNews?.asked === asked) plan(every);
}

function draw(box) {
  const data = newest(box.latest);
  if (!data || !box.inView || document.hidden) return;
  const look = getComputedStyle(box).getPropertyValue("--st-text-color") + box.clientWidth;
  if (box.drawn === data.revision + look) return;
  box.drawn = data.revision + look;
  loadPlotly(data.plotly).then(
    (Plotly) => {
      const figure = JSON.parse(data.figure);
      const config = { responsive: true, ...data.config };
      Plotly.react(box, figure.data, themed({ ...figure.layout, autosize: true }, box), config);
      if (data.clicks && !box.listens) {
        box.listens = true;
        box.classList.add("clickable");
        box.on("plotly_click", ({ points: [point] }) => {
          const { x, y, customdata } = point;
          box.clicked("clicked", { x, y, customdata: customdata ?? null });
        });
      }
    },
    () => { box.textContent = "The chart library could not be loaded from this server."; },
  );
}

export default function ({ parentElement, data, setTriggerValue }) {
  const box = parentElement.querySelector(".live-plot");
  if (data.follow) {
    follow(data.follow, parentElement.querySelector(".live-plot"));
    return;
  }
  if (data.part) {
    (window.livePartTriggers ??= {})[data.part] = setTriggerValue;
    return;
  }
  if (!data.figure) { // a page whose charts come later: see load_ahead in plotly_chart.py
    loadPlotly(data.plotly).catch(() => {});
    return;
  }
  box.latest = data;
  box.clicked = setTriggerValue;
  box.style.height = data.height + "px";
  box.setAttribute("role", "figure"); // not "img": the buttons in its corner can be reached
  box.setAttribute("aria-label", data.alt);
  seen.observe(box);
  draw(box);
}
