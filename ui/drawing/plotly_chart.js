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
    if (entry.isIntersecting) draw(entry.target);
  }
}, { rootMargin: "100px" });
document.addEventListener("visibilitychange", () => document.querySelectorAll(".live-plot").forEach(draw));

// What the server sent last for all charts of one drawing of the page: see live_page.py. A chart takes its newer figure from it, in whatever order
// the two arrive, and again if the browser builds the chart anew.
function newest(data) {
  const fed = window.livePage;
  return data?.base && fed?.base === data.base && fed.charts[data.name] ? { ...data, ...fed.charts[data.name] } : data;
}

function isInView(selector) {
  const place = selector && document.querySelector(selector)?.getBoundingClientRect();
  return !place || (place.bottom > 0 && place.top < window.innerHeight);
}

function take({ base, turn, charts, pictures, texts = {}, news }) {
  if (window.livePage?.base === base && window.livePage.turn === turn) return; // the same message, handed over once more
  window.livePage = { base, turn, charts };
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
  if (document.hidden) return;
  for (const [name, place] of news) if (isInView(place)) window.livePartTriggers?.[name]?.("asked", turn);
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
  if (data.feed) {
    take(data.feed);
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
