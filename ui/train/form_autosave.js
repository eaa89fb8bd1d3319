// Autosave of the Train form in sessionStorage, which survives a reload and ends with the tab.
const PLACE = "train_form";

export default function ({ data, setTriggerValue }) {
  try {
    if (data.draft !== null) {
      sessionStorage.setItem(PLACE, data.draft);
      return;
    }
    const found = sessionStorage.getItem(PLACE);
    if (found) setTriggerValue("found", found);
  } catch {
    // A browser without sessionStorage: the form is reset by a reload.
  }
}
