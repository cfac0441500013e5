"""Takes the pictures of docs/viewing.md and docs/agent.md: the page of a session or an episode, in mid dodge."""

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

from combatvla.episode import DECISIONS
from tracker.view.episode import EpisodeSource
from tracker.view.page import SessionSource
from tracker.view.server import ViewServer

SIZE = "1280,800"
COLOURS = 200


def main() -> None:
    folder, target = Path(sys.argv[1]), Path(sys.argv[2])
    source = (EpisodeSource if (folder / DECISIONS).exists() else SessionSource)(folder)
    notes = [
        note for note in source.show().notes if any("dodge" in step.what for step in note.steps) and note.steps[0].why
    ]
    if not notes:
        sys.exit(f"{folder}: no explained dodge; run `combatvla tracker explain {folder} --by truth` first")
    moment = notes[len(notes) // 2].t
    size = SIZE
    if isinstance(source, EpisodeSource):
        moment, size = moment + 70, "1280,940"  # the keys are down a little after the picture that was seen
    with ViewServer([source]) as server, tempfile.TemporaryDirectory() as profile:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or sys.exit("chromium is missing: scripts/setup.sh browser")
        for flag in (
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--window-size={size}",
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
