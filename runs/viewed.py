"""Takes the picture of docs/viewing.md: a session on the viewer's page, in the middle of a dodge."""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
import threading
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tracker.view.page import SessionSource
from tracker.view.server import ViewServer

SIZE = "1280,800"
COLOURS = 160


def main() -> None:
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    source = SessionSource(folder)
    notes = [note for note in source.show().notes if any("dodge" in step.what for step in note.steps)]
    if not notes:
        sys.exit(f"{folder}: no explained dodge; run `combatvla tracker explain {folder} --by truth` first")
    moment = notes[len(notes) // 2].t
    with ViewServer([source]) as server, tempfile.TemporaryDirectory() as profile:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or sys.exit("chromium is missing: scripts/setup.sh browser")
        for flag in (
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--window-size={SIZE}",
            f"--user-data-dir={profile}",
        ):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        try:
            driver.get(server.url + "0/")
            WebDriverWait(driver, 20).until(lambda d: d.find_elements(By.CSS_SELECTOR, "body.ready"))
            driver.execute_async_script("view.seek(arguments[0]).then(arguments[1])", moment)
            driver.execute_script("view.timeline.look(arguments[0] - 4000, arguments[0] + 6000)", moment)
            WebDriverWait(driver, 20).until(
                lambda d: d.execute_script("return view.player.drawn === `${view.player.video}:${view.player.frame}`")
            )
            driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
            taken = driver.get_screenshot_as_png()
        finally:
            driver.quit()
            server.shutdown()
    Image.open(io.BytesIO(taken)).convert("RGB").quantize(COLOURS).save(target, optimize=True)
    print(f"wrote {target}, {target.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
