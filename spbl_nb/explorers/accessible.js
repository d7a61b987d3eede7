/* Names for people without a mouse or without sight, run once inside each explorer (element: its output area).

ipywidgets gives sliders, the buttons of a player and images no name that assistive technology could read, and has no trait
to set one. This script writes these names into the page and keeps the alt text of the image equal to the caption. It also
keeps JupyterLab from taking the keys of a control for commands of the notebook: an arrow key in a drop-down list would
select another cell, and an "x" on a slider would cut the cell. Keys held with Ctrl, Alt or Meta, and Shift-Enter, stay
commands. */
const node = element[0] || element;
const follow = tries => {
  const explorer = node.closest('.spbl-explorer');
  if (!explorer) { if (tries) setTimeout(follow, 50, tries - 1); return; }
  const all = selector => [...explorer.querySelectorAll(selector)];
  const name = (control, words, help) => {
    if (control.getAttribute('aria-label') !== words) control.setAttribute('aria-label', words);
    if (control.title !== help) control.title = help;
  };
  const complete = () => {
    for (const handle of all('.noUi-handle')) {
      const label = handle.closest('.widget-slider').querySelector('.widget-label');
      name(handle, label.textContent, label.title);
      const text = handle.getAttribute('aria-valuetext'), short = `${Number(Number(text).toPrecision(9))}`;
      if (text !== short) handle.setAttribute('aria-valuetext', short);
    }
    for (const icon of all('.widget-play i')) {
      const what = {play: 'Play', pause: 'Pause', stop: 'Stop', retweet: 'Repeat'}[icon.className.split('fa-')[1]];
      name(icon.parentElement, what, what);
    }
    const [title] = all('.spbl-title strong'), [caption] = all('.spbl-caption .widget-html-content');
    if (!title || !caption) return;
    caption.setAttribute('role', 'status');
    for (const image of all('img.widget-image')) image.alt = `${title.textContent}: ${caption.textContent}`;
  };
  complete();
  const watched = {subtree: true, childList: true, attributeFilter: ['class', 'aria-valuetext']};
  new MutationObserver(complete).observe(explorer, watched);
};
follow(200);
if (!window.spblKeys) {
  window.spblKeys = true;
  window.addEventListener('keydown', event => {
    const command = event.ctrlKey || event.metaKey || event.altKey || (event.shiftKey && event.key === 'Enter');
    if (event.target.closest?.('.spbl-explorer')) event.target.toggleAttribute('data-lm-suppress-shortcuts', !command);
  }, true);
}
