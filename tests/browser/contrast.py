"""The contrast of texts, as WCAG 2 measures it."""

from playwright.sync_api import Page

LEAST = 4.5  # of text of usual size, level AA

_SCRIPT = """
least => {
  const canvas = document.createElement("canvas").getContext("2d");
  const rgb = colour => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => {
    const linear = each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4;
    const [x, y, z] = [r, g, b].map(each => linear(each / 255));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = node => {
    for (let each = node; each; each = each.parentElement) {
      const found = rgb(getComputedStyle(each).backgroundColor);
      if (found[3] > 0) return found;
    }
    return rgb(matchMedia("(prefers-color-scheme: dark)").matches ? "black" : "white");
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const own = [...node.childNodes].some(each => each.nodeType === Node.TEXT_NODE && each.data.trim());
    if (!own || !node.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    const [a, b] = [light(rgb(getComputedStyle(node).color)), light(behind(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const name = `${node.tagName} ${node.className}`;
    if (ratio < least) found.push(`${name} ${ratio.toFixed(2)}: ${node.textContent.trim().slice(0, 40)}`);
  }
  return found;
}
"""


def too_faint(page: Page) -> list[str]:
    """The texts on the page with less contrast than `LEAST`."""
    found: list[str] = page.evaluate(_SCRIPT, LEAST)
    return found
