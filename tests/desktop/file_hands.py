"""Hands whose system is a folder of files, shared by processes: what is down, what was sent, who has the focus."""

from __future__ import annotations

import os
from pathlib import Path


class FileHands:
    watchdog = f"{__name__}:FileHands"

    def __init__(self) -> None:
        self.folder = Path(os.environ["FILE_HANDS"])
        self.refuses = False
        self.pointer = 7
        self.placed: list[tuple[int, int]] = []
        self.on_send = lambda key, down: None
        self.person = None
        """Set by `listen`: what the person does is told to it."""

    # What the test plays.

    def set_focus(self, id_: int | None) -> None:
        (self.folder / "focus").write_text(str(id_ or ""))

    def down(self) -> set[str]:
        return {p.name for p in (self.folder / "down").iterdir()} if (self.folder / "down").exists() else set()

    def log(self) -> list[str]:
        path = self.folder / "log"
        return path.read_text().split("\n")[:-1] if path.exists() else []

    # What the injector and the watchdog ask.

    def focused(self) -> int | None:
        text = (self.folder / "focus").read_text()
        return int(text) if text else None

    def exists(self, id_: int) -> bool:
        return not (self.folder / "closed").exists()

    def knows(self, key: str) -> bool:
        return key != "ü"

    def is_down(self, key: str) -> bool:
        return key in self.down()

    def send(self, key: str, *, down: bool) -> bool:
        if self.refuses:
            return False
        (self.folder / "down").mkdir(exist_ok=True)
        path = self.folder / "down" / key
        path.touch() if down else path.unlink(missing_ok=True)
        self._note(f"{'+' if down else '-'}{key}")
        self.on_send(key, down)
        return True

    def move(self, dx: int, dy: int) -> bool:
        self._note(f"move {dx} {dy}")
        return not self.refuses

    def listen(self, hear):
        self.person = hear

        def end() -> None:
            self.person = None

        return end

    def under_pointer(self) -> int | None:
        return self.pointer

    def place_pointer(self, x: int, y: int) -> None:
        self.placed.append((x, y))

    def _note(self, line: str) -> None:
        with open(self.folder / "log", "a") as file:
            file.write(line + "\n")
