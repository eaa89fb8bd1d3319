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

// Only visible charts are drawn. The others wait until they are scrolled into view or their browser tab becomes visible.
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    entry.target.inView = entry.isIntersecting;
    if (!entry.isIntersecting) continue;
    draw(entry.target);
    const base = entry.target.latest?.base;
    // While it was out of view, answers had no figure for it.
    if (base && window.livePage?.base === base) window.dispatchEvent(new Event("live-plot-seen"));
  }
}, { rootMargin: "100px" });
document.addEventListener("visibilitychange", () => document.querySelectorAll(".live-plot").forEach(draw));

// What the server answered last for each chart of one drawing of the page: see live_page.py. A chart takes its newer figure from it, in whatever order
// the two arrive, and again if the browser builds the chart anew. A figure counts for the drawing that it follows on: a later drawing is newer.
function newest(data) {
  const fed = data?.base && window.livePage?.base === data.base ? window.livePage.charts[data.name] : undefined;
  return fed?.follows === data?.revision ? { ...data, ...fed } : data;
}

window.addEventListener("live-news", () => document.querySelectorAll(".live-plot").forEach(draw)); // see live_news.js

function draw(box) {
  const data = newest(box.latest);
  box.known = data?.revision;
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
