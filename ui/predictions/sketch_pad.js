// A pad to draw on. Each stroke that ends is sent as a PNG; the pad keeps its drawing when the page is refreshed.
export default function ({ parentElement, data, setStateValue }) {
  const pad = parentElement.querySelector(".sketch"), canvas = pad.querySelector("canvas"), context = canvas.getContext("2d");
  const [width, inverted] = pad.querySelectorAll("input"), clear = pad.querySelector("button");
  const [pen, dark] = pad.querySelectorAll("span"), said = data.words;
  canvas.setAttribute("aria-label", said.pad);
  width.setAttribute("aria-label", said.width);
  [pen.textContent, dark.textContent, clear.textContent] = [said.pen, said.inverted, said.clear];
  pad.send = setStateValue;
  if (pad.ready) return;
  pad.ready = true;
  let strokes = [], stroke = null;

  const draw = () => {
    const [paper, ink] = inverted.checked ? ["#ffffff", "#000000"] : ["#000000", "#ffffff"];
    context.fillStyle = paper;
    context.fillRect(0, 0, canvas.width, canvas.height);
    Object.assign(context, { strokeStyle: ink, fillStyle: ink, lineCap: "round", lineJoin: "round" });
    for (const { points, size } of strokes) {
      context.lineWidth = size;
      context.beginPath();
      context.arc(...points[0], size / 2, 0, 7);
      context.fill();
      context.beginPath();
      points.forEach(([x, y]) => context.lineTo(x, y));
      context.stroke();
    }
  };
  const send = () => pad.send("drawing", strokes.length ? canvas.toDataURL("image/png") : "");
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
  };
  canvas.onpointerdown = (event) => {
    canvas.setPointerCapture(event.pointerId);
    stroke = { points: [at(event)], size: Number(width.value) };
    strokes.push(stroke);
    draw();
  };
  canvas.onpointermove = (event) => {
    if (!stroke) return;
    stroke.points.push(at(event));
    draw();
  };
  canvas.onpointerup = canvas.onpointercancel = () => {
    if (!stroke) return;
    stroke = null;
    send();
  };
  inverted.onchange = () => { draw(); if (strokes.length) send(); };
  clear.onclick = () => { strokes = []; draw(); send(); };
  draw();
}
