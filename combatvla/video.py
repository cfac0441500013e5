"""H.264 films as browsers want them: the same packets in MP4, nothing encoded anew."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

import av

from combatvla.errors import UserError


def remux(source: Path, target: Path, *, keep: bool = False) -> list[int]:
    """Copies the H.264 packets of the video `source` (maybe torn) into the MP4 file `target`, and gives their times in
    milliseconds. `UserError` when there are none, `OSError` when `target` cannot be written. `keep`: with the metadata,
    and so that a browser can begin before it has all."""
    times: list[int] = []
    try:
        with av.open(str(source)) as read:
            video = read.streams.video[0]
            if video.codec_context.name != "h264":
                raise UserError(f"{source} holds {video.codec_context.name}, not H.264: it was not made here")
            options = {"movflags": "faststart+use_metadata_tags"} if keep else {}
            with av.open(str(target), "w", format="mp4", options=options) as write:
                write.metadata.update(read.metadata if keep else {})
                stream = write.add_stream_from_template(video)
                with suppress(av.error.InvalidDataError, av.error.EOFError):  # the torn end of a killed recording
                    for packet in read.demux(video):
                        if packet.pts is None or packet.dts is None or packet.is_corrupt:
                            continue
                        at = round(packet.pts * packet.time_base * 1000)
                        if not (packet.is_keyframe if not times else at > times[-1]):
                            continue
                        packet.stream = stream
                        write.mux(packet)
                        times.append(at)
    except (IndexError, TypeError, ValueError, av.FFmpegError) as error:
        if isinstance(error, av.FFmpegError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OSError(error.errno, os.strerror(error.errno), str(target)) from error
        if not times:
            raise UserError(f"the video {source} cannot be read: it is damaged, or no video") from error
    if not times:
        raise UserError(f"the video {source} holds no picture: recording was cut off in its first moment")
    return times
