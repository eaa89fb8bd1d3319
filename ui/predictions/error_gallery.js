// Thumbnails cut from one sprite image, which the server draws. A click opens an image.

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".gallery");
  if (root.dataset.revision === data.revision) return;
  root.dataset.revision = data.revision;
  root.replaceChildren();
  const rows = Math.ceil(data.tiles.length / data.columns);
  data.tiles.forEach((tile, place) => {
    const item = document.createElement("button");
    item.type = "button";
    item.className = "item" + (tile.mistake ? " mistake" : "");
    item.title = data.words[place].title; // all that is known of the image: each task's error, each contradiction
    item.dataset.number = tile.number;
    const picture = document.createElement("div");
    picture.className = "picture";
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", data.words[place].label);
    const part = (at, count) => (count > 1 ? (100 * at) / (count - 1) : 0);
    picture.style.aspectRatio = data.ratio;
    picture.style.backgroundImage = `url(${data.sprite})`;
    picture.style.backgroundSize = `${100 * data.columns}% ${100 * rows}%`;
    picture.style.backgroundPosition = `${part(place % data.columns, data.columns)}% ${part(Math.floor(place / data.columns), rows)}%`;
    item.append(picture);
    const line = (kind, text, into) => {
      if (!text) return;
      const span = document.createElement("span");
      span.className = kind;
      span.textContent = text;
      into.append(span);
    };
    const top = document.createElement("div");
    line("head", tile.head, top);
    line("error", tile.error, top);
    item.append(top);
    line("said", tile.said, item);
    line("warning", tile.warning && `⚠ ${tile.warning}`, item);
    item.onclick = () => setTriggerValue("open", tile.number);
    root.append(item);
  });
}
