"""The truth vector: the true state of a fight as numbers of like size, for players that look at no picture.

Places are in the fighter's own directions: forward is toward the boss. Lengths are in units of 10 m, times in seconds,
health and posture in fractions of the full, and each number is cut off at ±`LIMIT`.
"""

from __future__ import annotations

import math

from env.arena.jit import jit
from env.arena.state import B_WINDUP, K_LEAP, LEAP_OFF, PLAYER_STATES, STAGES, TICK_HZ
from env.tasks import KINDS, MAX_SHOTS

LIMIT = 10.0
_SHOT = ("forward", "right", "speed_forward", "speed_right", "left_s")
FEATURES: tuple[str, ...] = (
    "blade", "time", "distance", "centre_forward", "centre_right",
    "player_health", "player_stamina", "player_posture", "player_heals", "player_cooldown", "player_invulnerable_s",
    "player_charge_s", "player_guard_s", "player_progress", "player_busy_s",
    "boss_health", "boss_posture", "boss_phase", "boss_frozen_s", "boss_facing_cos", "boss_facing_sin",
    "boss_progress", "boss_left_s", "boss_feint", "target_forward", "target_right",
    "move_reach", "move_half_arc", "move_step", "move_damage", "move_perilous",
    *(f"shot{i}_{name}" for i in range(MAX_SHOTS) for name in _SHOT),
    *(f"player_{state}" for state in PLAYER_STATES),
    *(f"boss_{stage}" for stage in STAGES),
    *(f"move_{kind}" for kind in KINDS),
)  # fmt: skip
"""What stands at each index of the truth vector. The last three groups are one-hot (all zero for no move)."""

_N_STATES, _N_STAGES = len(PLAYER_STATES), len(STAGES)


@jit
def observe(fights, tables, which, out):
    """Writes the truth vectors: `out` float32[n, len(FEATURES)] of `fights`, fight i being of `tables[which[i]]`."""
    for i in range(len(fights)):
        f, t, o = fights[i], tables[which[i]], out[i]
        p, b = f.player, f.boss
        dx, dy = b.x - p.x, b.y - p.y
        d = max(math.sqrt(dx * dx + dy * dy), 1e-6)
        fx, fy = dx / d, dy / d
        o[:] = 0.0
        o[0], o[1] = t.blade, f.tick / t.time_limit
        o[2] = d / 10
        o[3], o[4] = -(p.x * fx + p.y * fy) / 10, -(p.x * fy - p.y * fx) / 10
        o[5], o[6] = p.health / t.player.health, p.stamina / t.player.stamina
        o[7], o[8] = p.posture / t.player.posture, p.heals
        o[9], o[10] = p.cooldown / t.player.skill_cooldown, p.invulnerable / TICK_HZ
        o[11], o[12] = p.charge / TICK_HZ, p.guard / TICK_HZ
        if p.total:
            o[13], o[14] = p.t / p.total, (p.total - p.t) / TICK_HZ
        o[15], o[16] = b.health / t.boss.health, b.posture / t.boss.posture
        o[17], o[18] = b.phase, b.frozen / TICK_HZ
        cos, sin = math.cos(b.facing), math.sin(b.facing)
        o[19], o[20] = -(cos * fx + sin * fy), cos * fy - sin * fx
        if b.total:
            o[21], o[22] = b.t / b.total, (b.total - b.t) / TICK_HZ
        o[23] = b.feint > 0
        if b.move >= 0:
            m = t.moves[b.move]
            if m.kind == K_LEAP and (b.stage != B_WINDUP or b.t > b.total * LEAP_OFF):  # in the air, or landed
                tx, ty = b.target_x - p.x, b.target_y - p.y
                o[24], o[25] = (tx * fx + ty * fy) / 10, (tx * fy - ty * fx) / 10
            o[26], o[27], o[28] = m.reach / 10, m.half_arc / math.pi, m.step / 10
            o[29], o[30] = m.damage / t.player.health, m.perilous
        k = 31
        for j in range(MAX_SHOTS):
            s = f.shots[j]
            if s.left:
                sx, sy = s.x - p.x, s.y - p.y
                o[k], o[k + 1] = (sx * fx + sy * fy) / 10, (sx * fy - sy * fx) / 10
                vx, vy = s.vx * TICK_HZ / 10, s.vy * TICK_HZ / 10
                o[k + 2], o[k + 3] = vx * fx + vy * fy, vx * fy - vy * fx
                o[k + 4] = s.left / TICK_HZ
            k += 5
        o[k + p.state] = 1.0
        k += _N_STATES
        o[k + b.stage] = 1.0
        k += _N_STAGES
        if b.move >= 0:
            o[k + t.moves[b.move].kind] = 1.0
        for j in range(o.size):
            o[j] = max(-LIMIT, min(LIMIT, o[j]))
