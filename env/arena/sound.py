"""The sounds of a fight: short effects made of sines and noise, and which of them a tick calls for.

They are played by Panda3D's OpenAL. Where the machine has no sound there is silence, and nothing else changes: sounds
follow the fight's state and never touch it.
"""

from __future__ import annotations

import io
import os
import wave
from collections.abc import Iterator

import numpy as np

from env.arena.fight import View
from env.arena.quiet import quiet
from env.arena.rules import HEAVY_AT, SKILL_AT
from env.arena.state import FLARE_MS, HIT_HEAVY, PLAYER_STATES, RESULTS, STAGES, TICK_HZ, table_of
from env.tasks import KINDS, Task

RATE = 22050
"""Samples a second."""
VOLUME = 0.6
AT_ONCE = 12
"""How many sounds may be heard at the same time."""
WINDUP_HZ = {
    "quick": 520, "slam": 110, "delayed": 150, "sweep": 220, "thrust": 330, "leap": 185, "grab": 82, "ranged": 440,
}  # fmt: skip
"""The pitch that announces each kind of attack."""
_FLARE = round(FLARE_MS * TICK_HZ / 1000)
_SWING = {"light": "swing", "heavy": "heavy_swing", "deathblow": "heavy_swing"}


# -- making them ------------------------------------------------------------------------------------------------


def _time(seconds: float) -> np.ndarray:
    return np.arange(int(seconds * RATE)) / RATE


def _tone(seconds: float, start_hz: float, end_hz: float, fade: float) -> np.ndarray:
    """A sine that glides from one pitch to another and fades: `fade` is its half-life in seconds."""
    t = _time(seconds)
    hz = start_hz * (end_hz / start_hz) ** (t / seconds)
    return np.sin(2 * np.pi * np.cumsum(hz) / RATE) * 0.5 ** (t / fade)


def _noise(seconds: float, low_hz: float, high_hz: float, seed: int) -> np.ndarray:
    """Noise between two pitches, loudest in its middle."""
    count = int(seconds * RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    hz = np.fft.rfftfreq(count, 1 / RATE)
    spectrum[(hz < low_hz) | (hz > high_hz)] = 0
    band = np.fft.irfft(spectrum, count)
    return band / np.abs(band).max() * np.sin(np.pi * np.arange(count) / count)


def _fall(sound: np.ndarray, fade: float) -> np.ndarray:
    return sound * 0.5 ** (np.arange(len(sound)) / RATE / fade)


def _ring(seconds: float, hertz: tuple[float, ...], fade: float) -> np.ndarray:
    """Struck metal: tones that are no harmonics of each other, the higher the shorter."""
    tones = [_tone(seconds, hz, hz, fade * hertz[0] / hz) / (i + 1) for i, hz in enumerate(hertz)]
    return np.sum(tones, axis=0)


def _mix(*sounds: np.ndarray) -> np.ndarray:
    """All at once."""
    mixed = np.zeros(max(map(len, sounds)))
    for sound in sounds:
        mixed[: len(sound)] += sound
    return mixed


def _melody(hertz: tuple[float, ...], apart: float, fade: float) -> np.ndarray:
    """Tones one after the other, each ringing on."""
    notes = []
    for i, hz in enumerate(hertz):
        rest = np.zeros(int(i * apart * RATE))
        notes.append(
            np.concatenate([rest, _tone(fade * 5, hz, hz, fade) + 0.3 * _tone(fade * 5, 2 * hz, 2 * hz, fade)])
        )
    return _mix(*notes)


def make_effects() -> dict[str, np.ndarray]:
    """Every effect by name, `int16[samples]` at `RATE`, one channel. The same on every call."""
    whoosh = _noise(0.17, 500, 2600, 1)
    effects = {
        "swing": 0.5 * whoosh,
        "heavy_swing": 0.8 * _noise(0.30, 180, 1300, 2),
        "hit": _mix(_tone(0.16, 210, 70, 0.04), 0.6 * _fall(_noise(0.10, 700, 5000, 3), 0.02)),
        "heavy_hit": _mix(1.1 * _tone(0.30, 160, 42, 0.08), 0.8 * _fall(_noise(0.16, 400, 4500, 4), 0.03)),
        "deathblow": _mix(_tone(0.7, 120, 30, 0.2), _ring(0.6, (880, 1370, 2210), 0.15), _noise(0.35, 300, 5000, 5)),
        "hurt": _mix(np.tanh(3 * _tone(0.28, 120, 48, 0.07)), 0.7 * _fall(_noise(0.2, 200, 2200, 6), 0.04)),
        "dodge": 0.4 * _noise(0.24, 250, 1500, 7),
        "block": _mix(0.7 * _ring(0.25, (640, 1130, 1790, 2630), 0.05), 0.5 * _tone(0.1, 180, 90, 0.03)),
        "parry": _mix(0.8 * _ring(0.8, (1480, 2310, 3170, 4690), 0.22), 0.5 * _fall(_noise(0.06, 2000, 8000, 8), 0.01)),
        "broken": _mix(_ring(0.5, (930, 1270, 1910, 3010, 4030), 0.10), _fall(_noise(0.3, 1200, 9000, 9), 0.05)),
        "heal": 0.6 * _melody((523, 659, 784), 0.07, 0.12),
        "skill": 0.7 * _mix(_tone(0.5, 300, 1200, 0.25), _ring(0.5, (1320, 1980, 2970), 0.2)),
        "throw": 0.5 * _mix(_noise(0.2, 900, 4000, 10), _tone(0.2, 900, 420, 0.08)),
        "flare": 0.5 * _ring(0.22, (2640, 3960, 5810), 0.07),
        "win": 0.8 * _melody((392, 523, 659, 784), 0.14, 0.30),
        "loss": 0.8 * _melody((294, 233, 196, 147), 0.20, 0.30),
    }
    for kind in KINDS:
        hz = WINDUP_HZ[kind]
        swell = np.minimum(1, _time(0.34) / 0.12)
        effects[f"windup_{kind}"] = 0.45 * swell * np.tanh(2 * _tone(0.34, hz * 0.8, hz * 1.25, 0.2))
    return {name: _as_samples(sound) for name, sound in effects.items()}


def _as_samples(sound: np.ndarray) -> np.ndarray:
    edge = np.minimum(1, np.arange(len(sound)) / (0.002 * RATE))  # a sound that starts at once clicks
    return (np.clip(0.7 * sound * edge * edge[::-1], -1, 1) * 32767).astype("<i2")


# -- which of them a tick calls for -----------------------------------------------------------------------------


class Ear:
    """Tells what is to be heard: `listen(view)` gives the names of the effects since the view before."""

    def __init__(self, task: Task) -> None:
        self._kinds = [KINDS[i] for i in table_of(task)[0]["moves"]["kind"]]
        self._before: View | None = None

    def listen(self, view: View) -> list[str]:
        before, self._before = self._before, view
        if before is None or view.tick <= before.tick:
            return []
        return [*self._fighter(before, view), *self._boss(before, view)]

    def _fighter(self, before: View, now: View) -> Iterator[str]:
        p, was = now.player, before.player
        state, began = PLAYER_STATES[p.state], p.t < was.t or p.state != was.state
        if began and state in ("light", "deathblow"):
            yield _SWING[state]
        elif state == "heavy" and was.t < HEAVY_AT - 8 <= p.t:
            yield _SWING[state]  # when it comes down, however long it was held back
        elif began and state == "dodge":
            yield "dodge"
        elif state == "skill" and was.t < SKILL_AT <= p.t:
            yield "skill"
        elif began and state == "broken":
            yield "broken"
        if p.heal_t < was.heal_t:
            yield "heal"
        if now.hits_taken > before.hits_taken:
            yield "hurt"
        if now.parries > before.parries:
            yield "parry"
        elif p.posture > was.posture:
            yield "block"

    def _boss(self, before: View, now: View) -> Iterator[str]:
        b, was = now.boss, before.boss
        if now.deathblows > before.deathblows:
            yield "deathblow"
        elif now.hits > before.hits:
            yield "heavy_hit" if b.hit_kind == HIT_HEAVY else "hit"
        stage, began = STAGES[b.stage], b.stage != was.stage or b.move != was.move or b.t < was.t
        if stage == "windup":
            if began:
                yield f"windup_{self._kinds[b.move]}"
            elif not b.feint and b.total - b.t <= _FLARE < was.total - was.t:
                yield "flare"
        elif stage == "strike" and began:
            yield "throw" if self._kinds[b.move] == "ranged" else "heavy_swing"
        elif stage == "broken" and began:
            yield "broken"
        if now.result and not before.result:
            yield "win" if RESULTS[now.result] == "win" else "loss"


# -- playing them -----------------------------------------------------------------------------------------------


class Sounds:
    """Plays what `Ear` hears. Silent, and no error, when `mute` or when the machine has no sound."""

    def __init__(self, task: Task, *, mute: bool = False) -> None:
        self._ear = Ear(task)
        self._manager = None
        self._ready: dict[str, list] = {}
        if mute:
            return
        manager = _open()
        if manager is None:
            return
        manager.set_volume(VOLUME)
        manager.set_concurrent_sound_limit(AT_ONCE)
        for name, path in _files().items():
            self._ready[name] = [manager.get_sound(path) for _ in range(2)]  # two, so that one may ring on
        self._manager = manager

    @property
    def audible(self) -> bool:
        """Whether anything can be heard."""
        return self._manager is not None

    def follow(self, view: View) -> None:
        """Plays what has happened since the last call."""
        if self._manager is None:
            return
        for name in self._ear.listen(view):
            sounds = self._ready[name]
            sounds.append(sounds.pop(0))
            sounds[-1].play()
        self._manager.update()

    def close(self) -> None:
        if self._manager is not None:
            self._ready.clear()
            self._manager.shutdown()
            self._manager = None


def _open():
    """Panda3D's way to the machine's sound, or None where there is none."""
    from panda3d.core import AudioManager, load_prc_file_data

    load_prc_file_data("combatvla sound", "audio-library-name p3openal_audio\nnotify-level-audio fatal\n")
    os.environ.setdefault("ALSOFT_LOGLEVEL", "0")
    with quiet():
        manager = AudioManager.create_AudioManager()
    return manager if manager.is_valid() else None


def _files() -> dict[str, str]:
    """The effects as WAV files in Panda3D's memory."""
    from panda3d.core import VirtualFileMountRamdisk, VirtualFileSystem

    files = VirtualFileSystem.get_global_ptr()
    files.mount(VirtualFileMountRamdisk(), "/combatvla-sounds", 0)
    paths = {}
    for name, samples in make_effects().items():
        memory = io.BytesIO()
        with wave.open(memory, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(RATE)
            out.writeframes(samples.tobytes())
        paths[name] = f"/combatvla-sounds/{name}.wav"
        files.write_file(paths[name], memory.getvalue(), False)
    return paths
