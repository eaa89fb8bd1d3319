// Tells the page which slider of the live changes was clicked twice. Streamlit's sliders do not report that.
const SLIDER = '[data-testid="stSlider"]';

export default function ({ parentElement, setTriggerValue }) {
  const box = parentElement.closest(".st-key-steering");
  if (!box) return; // the run has ended, and the browser has taken the sliders away meanwhile
  box.tell = (number) => setTriggerValue("doubled", number);
  if (box.listens) return;
  box.listens = true;
  box.addEventListener("dblclick", (event) => {
    const slider = event.target.closest(SLIDER);
    if (slider) box.tell([...box.querySelectorAll(SLIDER)].indexOf(slider));
  });
}
