"""The loop that a tutorial shows: mss, a numpy array, OpenCV's mp4v. What `combatvla tracker bench` measures against.

python -m tracker.plain_loop X Y WIDTH HEIGHT FPS SECONDS FILE.mp4
"""

from __future__ import annotations

import json
import resource
import sys
import time


def main(argv: list[str]) -> int:
    import cv2
    import mss
    import numpy as np

    x, y, width, height, fps = (int(word) for word in argv[:5])
    seconds, path = float(argv[5]), argv[6]
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"mp4v"), fps, (width, height))
    area = {"left": x, "top": y, "width": width, "height": height}
    with mss.MSS() as screen:
        writer.write(np.array(screen.grab(area))[:, :, :3])  # all is loaded and allocated
        used = resource.getrusage(resource.RUSAGE_SELF)
        start = due = time.monotonic()
        frames = 0
        while (now := time.monotonic()) < start + seconds:
            if now < due:
                time.sleep(due - now)
                continue
            writer.write(np.array(screen.grab(area))[:, :, :3])
            frames += 1
            due = max(due + 1 / fps, now)
    writer.release()
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    print(json.dumps({"frames": frames, "cpu_s": cpu, "seconds": time.monotonic() - start}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
