// The button that turns the browser's notifications on and off. A browser asks its user only after a click, and only on localhost or https.
const CHOSEN = "run_notifications";

function state(words) {
  if (!window.isSecureContext || typeof Notification === "undefined")
    return { label: words.start, off: true, why: words.insecure };
  if (Notification.permission === "denied")
    return { label: words.start, off: true, why: words.denied };
  if (Notification.permission === "granted" && localStorage.getItem(CHOSEN) === "on")
    return { label: words.stop, off: false, why: words.on };
  return { label: words.start, off: false, why: words.off };
}

export default function ({ parentElement, data }) {
  const button = parentElement.querySelector(".notify"), why = parentElement.querySelector(".notify-why");
  const draw = () => {
    const now = state(data.words);
    button.textContent = now.label;
    button.disabled = now.off;
    why.textContent = now.why;
  };
  button.onclick = async () => {
    if (localStorage.getItem(CHOSEN) === "on" && Notification.permission === "granted") localStorage.setItem(CHOSEN, "off");
    else if ((await Notification.requestPermission()) === "granted") localStorage.setItem(CHOSEN, "on");
    draw();
  };
  draw();
}
