// The button that turns the browser's notifications on and off. A browser asks its user only after a click, and only on localhost or https.
const CHOSEN = "run_notifications";

function state() {
  if (!window.isSecureContext || typeof Notification === "undefined")
    return { label: "Notify me in this browser", off: true, why: "This browser gives notifications only on localhost or https." };
  if (Notification.permission === "denied")
    return { label: "Notify me in this browser", off: true, why: "Notifications are blocked in this browser. Allow them in its settings for this page." };
  if (Notification.permission === "granted" && localStorage.getItem(CHOSEN) === "on")
    return { label: "Stop notifications", off: false, why: "On: alerts and ends of runs are also shown by the browser, while a page is open." };
  return { label: "Notify me in this browser", off: false, why: "Off. The browser asks for permission." };
}

export default function ({ parentElement }) {
  const button = parentElement.querySelector(".notify"), why = parentElement.querySelector(".notify-why");
  const draw = () => {
    const now = state();
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
