"""Draw the PNG icons in public/ from icon.svg; needs playwright and a Chromium (its path in CHROMIUM)."""

import os
from pathlib import Path

from playwright.sync_api import sync_playwright

PUBLIC = Path(__file__).resolve().parent.parent / "public"
SVG = (PUBLIC / "icon.svg").read_text()
# A maskable icon fills its square; the mark stays within the inner 80 %.
MASKABLE = SVG.replace(' rx="112"', "").replace("<path", '<path transform="translate(51 51) scale(.8)"')

with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM"), args=["--no-sandbox"])
    for name, size, svg in (("icon-192", 192, SVG), ("icon-512", 512, SVG), ("icon-maskable-512", 512, MASKABLE)):
        page = browser.new_page(viewport={"width": size, "height": size})
        page.set_content(f"<style>body{{margin:0}}svg{{display:block}}</style>{svg}")
        page.screenshot(path=PUBLIC / f"{name}.png", omit_background=True)
    browser.close()
