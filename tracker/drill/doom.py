"""ViZDoom in a window of its own, telling what it received: a truth about keys that this project did not write.

Run by its path, in a process of its own, and so without any of our code: `python doom.py '{"w": ["+forward",
"MOVE_FORWARD"], ...}'` takes the keys, what ViZDoom's console binds them to, and the button by which it reports them.
It prints a line of JSON a tic (35 a second), `{"t_ns": ..., "end_ns": ..., "down": ["w", ...]}`: when the tic began,
which is when ViZDoom looks at the keys unless the machine is too busy, when it had ended, and what `get_last_action`
then told. It ends when its standard input does.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time


def main(keys: dict[str, tuple[str, str]]) -> None:
    import vizdoom

    game = vizdoom.DoomGame()
    # Fights nobody and is never over, as nothing hurts a god.
    game.set_doom_scenario_path(os.path.join(vizdoom.scenarios_path, "health_gathering.wad"))
    game.set_doom_map("map01")
    game.set_episode_timeout(0)
    game.set_available_buttons([getattr(vizdoom.Button, button) for _, button in keys.values()])
    game.set_screen_resolution(vizdoom.ScreenResolution.RES_640X480)
    game.set_window_visible(True)
    game.set_sound_enabled(False)
    game.set_mode(vizdoom.Mode.SPECTATOR)
    game.init()
    for key, (command, _) in keys.items():
        game.send_game_command(f"bind {key} {command}")
    game.send_game_command("god")
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.is_set():
        if game.is_episode_finished():
            game.new_episode()
            game.send_game_command("god")
        t_ns = time.monotonic_ns()
        game.advance_action()
        down = [key for key, value in zip(keys, game.get_last_action(), strict=True) if value]
        print(json.dumps({"t_ns": t_ns, "end_ns": time.monotonic_ns(), "down": down}), flush=True)
    game.close()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
