"""What ipywidgets leaves out for people without a mouse or without sight: names of controls, alt text, a visible focus.

ipywidgets gives a slider, the buttons of a player and a picture no name that assistive technology could read, and there
is no trait to set one. So an explorer carries a short script, shown by an output widget without a size, which writes these
names into the page and keeps the alt text of the picture equal to the caption. It also keeps JupyterLab from taking the
keys of a control for commands of the notebook: an arrow key in a drop-down list would select another cell, and an "x" on
a slider would cut the cell; keys held with Ctrl, Alt or Meta and Shift-Enter stay commands. A style sheet draws a ring
around whatever has the focus, and gives controls edges that can be told from a light and from a dark page. Where a page
runs no scripts, the number field beside each slider still has its name.

Used by every explorer of :mod:`spbl_nb.explorers.base`.
"""

import ipywidgets

_OURS = ".spbl-explorer.spbl-explorer.spbl-explorer"  # thrice, to come before the rules of ipywidgets and JupyterLab
STYLE = f"""<style>
{_OURS} :focus-visible {{
  outline: 3px solid var(--jp-ui-font-color0, currentcolor) !important; outline-offset: 2px !important;
}}
{_OURS} .widget-hbox {{ overflow: visible; }}
{_OURS} :is(input, select) {{ border-color: var(--jp-ui-font-color2, currentcolor); }}
{_OURS} select {{ appearance: auto; background-image: none; }}
{_OURS} .noUi-target {{ background: var(--jp-ui-font-color2, currentcolor); }}
{_OURS} .noUi-handle {{ border: 2px solid var(--jp-ui-font-color1, currentcolor); }}
{_OURS} .spbl-script {{ display: none; }}
</style>"""

_SCRIPT = """
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
      const told = handle.getAttribute('aria-valuetext'), short = `${Number(Number(told).toPrecision(9))}`;
      if (told !== short) handle.setAttribute('aria-valuetext', short);
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
"""


def script() -> ipywidgets.Widget:
    """Return the widget that, once shown inside an explorer, names what stands there; it takes no room itself."""
    output = {"output_type": "display_data", "data": {"application/javascript": _SCRIPT}, "metadata": {}}
    widget = ipywidgets.Output(outputs=(output,))
    widget.add_class("spbl-script")
    return widget
