// The Train form's settings in the tab's own storage, which a reload leaves alone and a closed tab takes with it.
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
    // A browser that keeps nothing: the form begins anew after a reload.
  }
}
