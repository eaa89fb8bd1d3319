// Notifications of the browser for alerts and ends of runs. Each is shown once per tab; the tag lets tabs of one browser share it.
const CHOSEN = "run_notifications", SHOWN = "shown_notices", KEPT = 50;

export default function ({ data }) {
  try {
    const shown = JSON.parse(sessionStorage.getItem(SHOWN) || "[]");
    const fresh = JSON.parse(data.notices).filter((notice) => !shown.includes(notice.id));
    if (!fresh.length) return;
    sessionStorage.setItem(SHOWN, JSON.stringify([...shown, ...fresh.map((notice) => notice.id)].slice(-KEPT)));
    if (localStorage.getItem(CHOSEN) !== "on" || typeof Notification === "undefined" || Notification.permission !== "granted") return;
    for (const notice of fresh) new Notification(notice.title, { body: notice.text, tag: notice.id });
  } catch {
    // A browser without storage or without notifications: the toast says the same.
  }
}
