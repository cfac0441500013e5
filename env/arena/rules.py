"""The rules of the fight, at a fixed tick and without a picture, compiled by Numba.

`tick(fight, table, held)` advances one fight by 1/60 s under the inputs that are held (bits of `HELD_ACTIONS`). Nothing
here knows keys, pixels or wall-clock time: the same task, seed and inputs give the same fight. The fighter is locked on
to the boss, so moves are relative to it. `f` is a record of `state.FIGHT`, `t` the task's record of `state.TABLE`.

Two rule sets share the boss. In *staff* the fighter lives by stamina, dodges, a skill that freezes and a heavy attack
that grows while it is held back. In *blade* it blocks and parries; posture breaks, and a broken boss is open to a
deathblow. What a function does for one of them alone asks `t.blade`.

Numbers are doubles without fused operations, and places and angles are rounded to a grid after every tick, so that the
last bit of another machine's sine can never become another fight.
"""

from __future__ import annotations

import math

import numpy as np

from combatvla.actions import DURATIONS_MS, HELD_ACTIONS, MAX_STEPS, Action
from env.arena.jit import jit
from env.arena.state import (
    B_BROKEN,
    B_DOWN,
    B_IDLE,
    B_RECOVER,
    B_STRIKE,
    B_WINDUP,
    BIT,
    HIT_DEATHBLOW,
    HIT_HEAVY,
    HIT_LIGHT,
    HIT_PARRIED,
    K_GRAB,
    K_LEAP,
    K_RANGED,
    LANDS_SHORT,
    LEAP_OFF,
    LONG_AGO,
    LOSS,
    NO_MOVE,
    P_BLOCK,
    P_BROKEN,
    P_CHARGE,
    P_DEATHBLOW,
    P_DODGE,
    P_DOWN,
    P_HEAL,
    P_HEAVY,
    P_HURT,
    P_IDLE,
    P_LIGHT,
    P_MOVING,
    P_SKILL,
    TICK_HZ,
    TIMEOUT,
    WIN,
    leap_tick,
)
from env.tasks import MAX_SHOTS

FORWARD, BACK, LEFT, RIGHT = (BIT[a] for a in HELD_ACTIONS[:4])
SPRINT, DODGE, HEAL, SKILL = (BIT[a] for a in (Action.SPRINT, Action.DODGE, Action.HEAL, Action.SKILL))
LIGHT, HEAVY, BLOCK = (BIT[a] for a in (Action.LIGHT_ATTACK, Action.HEAVY_ATTACK, Action.BLOCK))
_leap_tick = jit(leap_tick)

PLAYER_RADIUS = 0.4
BUFFER = 12
"""A press made while busy is remembered this long, as in the games of the genre."""
HURT, HURT_BY_GRAB, HURT_INVULNERABLE = 24, 48, 45

# The fighter's blows: ticks in all, the tick of the effect, points of damage, metres, stamina, and posture (blade).
LIGHT_TOTAL, LIGHT_AT, LIGHT_DAMAGE, LIGHT_REACH, LIGHT_STAMINA, LIGHT_POSTURE = 26, 10, 13.0, 2.9, 11.0, 5.0
HEAVY_TOTAL, HEAVY_AT, HEAVY_DAMAGE, HEAVY_REACH, HEAVY_STAMINA, HEAVY_POSTURE = 50, 28, 34.0, 3.1, 24.0, 12.0
CHARGE_MAX = 54
"""Ticks after which a heavy attack has grown to its most."""
CHARGE_RAISE = 18
"""Ticks of the charge that count as the blow's own raising: a tap costs no extra time."""
CHARGE_BONUS = 1.2
HEAL_TOTAL, HEAL_AT = 56, 38
SKILL_TOTAL, SKILL_AT = 24, 14
DODGE_STAMINA, DODGE_TOTAL, DODGE_MOVE = 17.0, 30, 20
DODGE_FROM, DODGE_TO, DODGE_METRES = 2, 24, 3.0
"""The ticks of a dodge in which nothing hits (the i-frames): 0.37 s."""
STEP_TO, STEP_TOTAL, STEP_METRES = 14, 24, 2.4
"""Blade: the dodge is a short step, safe for 0.2 s."""
PARRY = 12
"""Blade: a block pressed at most this long before the blow parries it: 0.2 s."""
SPAM = 10
"""Blade: a block pressed again this soon after the last one parries nothing."""
BLOCK_SPEED = 0.45
GUARD_BROKEN = 66
POSTURE_PAUSE = 45
DEATHBLOW_TOTAL, DEATHBLOW_AT, DEATHBLOW_REACH = 66, 34, 3.4
BOSS_BROKEN = 170
BOSS_GUARD = 0.3
"""Blade: the share of a blow's damage that goes through the guard of a boss that stands idle."""

COMMITTED = 0.75
"""The share of a wind-up after which the boss turns no more: stepping aside works."""
FEINT_AT = 0.62
MAX_CHAIN = 4
SHOT_RADIUS = 0.45
SHOT_SPREAD = math.radians(13)
GRID = 65536.0

_GOLDEN, _MIX_A, _MIX_B = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)


@jit
def uniform(f):
    """A draw from [0, 1): SplitMix64, whose whole state is one number of the fight."""
    f.rng = f.rng + _GOLDEN
    z = f.rng
    z = (z ^ (z >> _S30)) * _MIX_A
    z = (z ^ (z >> _S27)) * _MIX_B
    z = z ^ (z >> _S31)
    return float(z >> _S11) * (1.0 / 9007199254740992.0)


@jit
def angle_between(a, b):
    return (a - b + math.pi) % (2 * math.pi) - math.pi


@jit
def snap(v):
    return math.floor(v * GRID + 0.5) / GRID


@jit
def distance_of(f):
    dx, dy = f.boss.x - f.player.x, f.boss.y - f.player.y
    return math.sqrt(dx * dx + dy * dy)


@jit
def airborne(f, t):
    b = f.boss
    return b.stage == B_WINDUP and t.moves[b.move].kind == K_LEAP and b.t > b.total * LEAP_OFF


# -- the fighter ------------------------------------------------------------------------------------------------


@jit
def _remember_presses(f, held):
    p = f.player
    if p.buffer_left:
        p.buffer_left -= 1
        if not p.buffer_left:
            p.buffered = 0
    pressed = held & ~f.previous
    for action in (DODGE, HEAL, SKILL, HEAVY, LIGHT):  # by precedence when several are pressed at once
        if pressed & action:
            p.buffered, p.buffer_left = action, BUFFER
            break


@jit
def _recover(f, t):
    """What comes back by itself."""
    p = f.player
    if p.cooldown:
        p.cooldown -= 1
    if p.invulnerable:
        p.invulnerable -= 1
    if p.spam:
        p.spam -= 1
    if p.pause:
        p.pause -= 1
    elif t.blade:
        regen = t.player.posture_regen / TICK_HZ
        p.posture = max(0.0, p.posture - (regen * 2 if p.state == P_BLOCK else regen))
    elif p.stamina < t.player.stamina:
        p.stamina = min(t.player.stamina, p.stamina + t.player.stamina_regen / TICK_HZ)


@jit
def _direction(f, held):
    """The unit vector of the held moves; forward is toward the boss. (0, 0) for none."""
    forward = (1 if held & FORWARD else 0) - (1 if held & BACK else 0)
    right = (1 if held & RIGHT else 0) - (1 if held & LEFT else 0)
    if forward == 0 and right == 0:
        return 0.0, 0.0
    d = max(distance_of(f), 1e-6)
    fx, fy = (f.boss.x - f.player.x) / d, (f.boss.y - f.player.y) / d
    x, y = forward * fx + right * fy, forward * fy - right * fx
    n = math.sqrt(x * x + y * y)
    return x / n, y / n


@jit
def _enter(p, state, total):
    p.state, p.t, p.total = state, 0, total


@jit
def _free(p):
    p.state, p.t, p.total = P_IDLE, 0, 0


@jit
def _spend(f, t, stamina):
    f.player.stamina -= stamina
    f.player.pause = t.player.stamina_pause


@jit
def _start(f, t, held):
    """Begins the press that waits, or an attack that is still held. True if something began."""
    p = f.player
    action = p.buffered
    if action == 0:  # held down, the light attack goes on (a combo); the others need a new press
        action = LIGHT if held & LIGHT else 0
    if action == 0:
        return False
    if not t.blade and p.stamina <= 0 and action != HEAL and action != SKILL:
        return False
    p.buffered, p.buffer_left = 0, 0
    if action == HEAL:
        if p.heals <= 0:
            return False
        _enter(p, P_HEAL, HEAL_TOTAL)
    elif action == SKILL:
        if p.cooldown or t.blade:
            return False
        _enter(p, P_SKILL, SKILL_TOTAL)
        p.cooldown = t.player.skill_cooldown
    elif action == DODGE:
        p.dodge_x, p.dodge_y = _direction(f, held)
        if p.dodge_x == 0 and p.dodge_y == 0:
            p.dodge_x, p.dodge_y = _direction(f, BACK)
        if t.blade:
            _enter(p, P_DODGE, STEP_TOTAL)
        else:
            _enter(p, P_DODGE, DODGE_TOTAL)
            _spend(f, t, DODGE_STAMINA)
    elif action == LIGHT:
        p.swings += 1
        if t.blade and f.boss.stage == B_BROKEN and distance_of(f) <= DEATHBLOW_REACH:
            _enter(p, P_DEATHBLOW, DEATHBLOW_TOTAL)
            p.invulnerable = DEATHBLOW_TOTAL
            f.boss.total = max(f.boss.total, f.boss.t + DEATHBLOW_AT + 2)  # it stays broken until the blow lands
        else:
            _enter(p, P_LIGHT, LIGHT_TOTAL)
            if not t.blade:
                _spend(f, t, LIGHT_STAMINA)
    else:
        p.swings += 1
        p.charge = 0
        if t.blade:
            _enter(p, P_HEAVY, HEAVY_TOTAL)
        else:
            _enter(p, P_CHARGE, CHARGE_MAX)
            _spend(f, t, HEAVY_STAMINA)
    return True


@jit
def _hit_boss(f, t, damage, posture, kind):
    b = f.boss
    damage *= t.player.damage_scale
    if t.blade:
        if b.stage == B_IDLE and not b.frozen:
            damage *= BOSS_GUARD
        if b.stage != B_BROKEN:
            b.posture = min(t.boss.posture, b.posture + posture)
            b.pause = POSTURE_PAUSE
    dealt = min(damage, b.health)
    b.health -= dealt
    b.hit_t, b.hit_damage, b.hit_kind = 0, dealt, kind
    f.damage_dealt += dealt
    f.hits += 1


@jit
def _deathblow(f, t):
    """Takes the rest of a phase: the boss's health falls to where the next one begins."""
    b = f.boss
    left = t.phases[b.phase].above * t.boss.health
    dealt = max(0.0, b.health - left)
    b.health -= dealt
    b.posture = 0.0
    b.hit_t, b.hit_damage, b.hit_kind = 0, dealt, HIT_DEATHBLOW
    f.damage_dealt += dealt
    f.deathblows += 1
    f.hits += 1
    if b.health > 0:
        b.stage, b.move, b.t, b.total = B_RECOVER, NO_MOVE, 0, 60


@jit
def _busy_effect(f, t):
    """What the present tick of a busy state does."""
    p = f.player
    if p.state == P_DODGE:
        if p.t <= DODGE_MOVE:
            metres = (STEP_METRES if t.blade else DODGE_METRES) / DODGE_MOVE
            p.x += p.dodge_x * metres
            p.y += p.dodge_y * metres
    elif p.state == P_LIGHT:
        if p.t == LIGHT_AT and distance_of(f) <= LIGHT_REACH and not airborne(f, t):
            _hit_boss(f, t, LIGHT_DAMAGE, LIGHT_POSTURE, HIT_LIGHT)
    elif p.state == P_HEAVY:
        if p.t == HEAVY_AT and distance_of(f) <= HEAVY_REACH and not airborne(f, t):
            damage = HEAVY_DAMAGE * (1.0 + CHARGE_BONUS * p.charge / CHARGE_MAX)
            _hit_boss(f, t, damage, HEAVY_POSTURE, HIT_HEAVY)
    elif p.state == P_HEAL:
        if p.t == HEAL_AT:
            p.heals -= 1
            healed = min(t.player.heal_amount, t.player.health - p.health)
            p.health += healed
            f.healed += healed
            p.heal_t = 0
    elif p.state == P_SKILL:
        if p.t == SKILL_AT and distance_of(f) <= t.player.skill_range and not airborne(f, t):
            f.boss.frozen = t.player.skill_freeze
    elif p.state == P_DEATHBLOW and p.t == DEATHBLOW_AT and f.boss.stage == B_BROKEN:
        _deathblow(f, t)


@jit
def _charge(f, held):
    """The heavy attack is held back, and goes when it is let go or has grown to its most."""
    p = f.player
    p.charge = p.t
    if not held & HEAVY or p.t >= CHARGE_MAX:
        raised = min(p.charge, CHARGE_RAISE)
        p.charge = max(0, p.charge - CHARGE_RAISE) * CHARGE_MAX // (CHARGE_MAX - CHARGE_RAISE)
        _enter(p, P_HEAVY, HEAVY_TOTAL)
        p.t = raised


@jit
def _guard(f, held):
    """Blade: the block is up while it is held; an attack that has landed or missed may be broken off for it."""
    p = f.player
    spent = (p.state == P_LIGHT and p.t > LIGHT_AT) or (p.state == P_HEAVY and p.t > HEAVY_AT)
    able = p.total == 0 or spent
    if held & BLOCK and able:
        if spent:
            _free(p)
        if p.guard == 0:  # only a new press parries
            p.guard = PARRY + 1 if p.spam or f.previous & BLOCK else 1
        elif p.guard < LONG_AGO:
            p.guard += 1
        return True
    if p.guard:
        p.guard, p.spam = 0, SPAM
    return False


@jit
def _walk(f, t, held, slow):
    p = f.player
    dx, dy = _direction(f, held)
    if dx == 0 and dy == 0:
        return False
    speed = t.player.speed
    if held & SPRINT and (t.blade or p.stamina > 0) and not slow:
        speed = t.player.sprint_speed
        if not t.blade:
            p.stamina -= t.player.sprint_cost / TICK_HZ
            p.pause = max(p.pause, 6)
    elif slow:
        speed *= BLOCK_SPEED
    p.x += dx * speed / TICK_HZ
    p.y += dy * speed / TICK_HZ
    p.walk += speed / TICK_HZ
    return True


@jit
def _player_tick(f, t, held):
    p = f.player
    _recover(f, t)
    if p.total:
        p.t += 1
        if p.state == P_CHARGE:
            _charge(f, held)
            return
        _busy_effect(f, t)
        if p.t >= p.total:
            _free(p)
    guarding = t.blade and _guard(f, held)
    if p.total:
        return
    if _start(f, t, held):
        p.guard = 0
        return
    moved = _walk(f, t, held, guarding)
    p.state = P_BLOCK if guarding else P_MOVING if moved else P_IDLE


# -- what hits the fighter --------------------------------------------------------------------------------------


@jit
def _dodging(f, t):
    p = f.player
    return p.state == P_DODGE and DODGE_FROM <= p.t < (STEP_TO if t.blade else DODGE_TO)


@jit
def _blocked(f, t, m):
    """Blade: the guard takes the blow. At the last moment it parries it, and the boss's posture pays."""
    p, b = f.player, f.boss
    p.pause = POSTURE_PAUSE
    if p.guard <= PARRY:
        f.parries += 1
        p.parry_t = 0
        p.posture = min(t.player.posture * 0.95, p.posture + m.posture * 0.2)
        if b.stage != B_BROKEN:
            b.posture = min(t.boss.posture, b.posture + m.posture)
        b.pause = POSTURE_PAUSE
        b.hit_t, b.hit_kind, b.hit_damage = 0, HIT_PARRIED, 0.0
        return
    p.posture += m.posture
    p.guard = PARRY + 1
    if p.posture >= t.player.posture:
        p.posture, p.guard = 0.0, 0
        _enter(p, P_BROKEN, GUARD_BROKEN)


@jit
def _hit_player(f, t, m):
    """True if the blow is over: it landed or was blocked. A dodged one may still land later in the same strike."""
    p = f.player
    if p.invulnerable or _dodging(f, t):
        return False
    if p.guard and not m.perilous:
        _blocked(f, t, m)
        return True
    taken = min(m.damage, p.health)
    p.health -= taken
    f.damage_taken += taken
    f.hits_taken += 1
    p.hit_t, p.hit_damage = 0, taken
    _enter(p, P_HURT, HURT_BY_GRAB if m.kind == K_GRAB else HURT)
    p.invulnerable = HURT_INVULNERABLE
    p.buffered, p.buffer_left, p.guard, p.charge = 0, 0, 0, 0
    return True


@jit
def _fly(f, t):
    """The shots go straight on until they hit or fall."""
    for i in range(MAX_SHOTS):
        s = f.shots[i]
        if s.left == 0:
            continue
        s.left -= 1
        s.x, s.y = snap(s.x + s.vx), snap(s.y + s.vy)
        dx, dy = s.x - f.player.x, s.y - f.player.y
        if dx * dx + dy * dy <= (SHOT_RADIUS + PLAYER_RADIUS) ** 2:
            if _hit_player(f, t, t.moves[s.move]):
                s.left = 0
            elif f.player.state == P_DODGE:
                f.dodges += 1
                s.left = 0  # it went through the roll: it is spent


# -- the boss ---------------------------------------------------------------------------------------------------


@jit
def _turn(f, t, share):
    b, p = f.boss, f.player
    limit = t.boss.turn * share
    turn = angle_between(math.atan2(p.y - b.y, p.x - b.x), b.facing)
    b.facing += max(-limit, min(limit, turn))


@jit
def _begin_move(f, t, move, scale):
    b = f.boss
    m, phase = t.moves[move], t.phases[f.boss.phase]
    b.move, b.stage, b.t, b.hit_done, b.feint = move, B_WINDUP, 0, 0, 0
    b.total = max(1, int(m.windup * phase.windup_scale * f.timing * scale + 0.5))
    b.hold = int(m.hold_low + (m.hold_high - m.hold_low) * uniform(f) + 0.5)
    if m.kind != K_LEAP and m.kind != K_RANGED and uniform(f) < phase.feint:
        b.feint = max(1, int(b.total * FEINT_AT))
    b.total += b.hold


@jit
def _choose_move(f, t, other_than, scale):
    """Begins a move that fits the distance, drawn by the phase's weights. False if none fits."""
    d, phase = distance_of(f), t.phases[f.boss.phase]
    total = 0.0
    for i in range(t.n_moves):
        if i != other_than and t.moves[i].near <= d <= t.moves[i].far:
            total += phase.weights[i]
    if total <= 0:
        return False
    draw = uniform(f) * total
    for i in range(t.n_moves):
        if i != other_than and t.moves[i].near <= d <= t.moves[i].far and phase.weights[i] > 0:
            draw -= phase.weights[i]
            if draw < 0:
                _begin_move(f, t, i, scale)
                return True
    return False


@jit
def _stand_idle(f, ticks):
    b = f.boss
    b.stage, b.move, b.t, b.total, b.chain, b.feint, b.hold = B_IDLE, NO_MOVE, 0, 0, 0, 0, 0
    b.idle_left = ticks
    b.strafe = 1 if uniform(f) < 0.5 else -1


@jit
def _idle(f, t):
    b, p = f.boss, f.player
    _turn(f, t, 1.0)
    d = max(distance_of(f), 1e-6)
    if b.idle_left:
        b.idle_left -= 1
    step = t.boss.speed / TICK_HZ
    dx, dy = (p.x - b.x) / d, (p.y - b.y) / d
    if d > t.boss.keep:
        b.x += dx * step
        b.y += dy * step
        b.walk += step
    else:
        b.x += dy * b.strafe * step * 0.3
        b.y -= dx * b.strafe * step * 0.3
        b.walk += step * 0.3
    if not b.idle_left:
        _choose_move(f, t, NO_MOVE, 1.0)


@jit
def _windup(f, t):
    b, p = f.boss, f.player
    m = t.moves[b.move]
    if b.feint and b.t >= b.feint:
        if not _choose_move(f, t, b.move, 0.75):
            _stand_idle(f, 12)
        b.feint = 0  # the blow that follows a feint is meant
        return
    if m.kind == K_LEAP:
        off = _leap_tick(b.total)
        if b.t < off:
            _turn(f, t, 1.0)
        elif b.t == off:
            b.from_x, b.from_y = b.x, b.y
            d = max(distance_of(f), 1e-6)
            share = max(0.0, d - LANDS_SHORT) / d
            b.target_x, b.target_y = b.x + (p.x - b.x) * share, b.y + (p.y - b.y) * share
        else:
            s = (b.t - off) / max(1, b.total - off)
            b.x = b.from_x + (b.target_x - b.from_x) * s
            b.y = b.from_y + (b.target_y - b.from_y) * s
    elif b.t < b.total * COMMITTED:
        _turn(f, t, 0.8)
    if b.t >= b.total:
        b.stage, b.t, b.total = B_STRIKE, 0, m.strike
        if m.kind == K_RANGED:
            _throw(f, t)


@jit
def _throw(f, t):
    b = f.boss
    m = t.moves[b.move]
    per_tick = m.shot_speed / TICK_HZ
    for i in range(m.shots):
        s = f.shots[i]
        angle = b.facing + (i - (m.shots - 1) / 2) * SHOT_SPREAD
        s.vx, s.vy = snap(math.cos(angle) * per_tick), snap(math.sin(angle) * per_tick)
        s.x, s.y = snap(b.x + math.cos(angle) * 0.8), snap(b.y + math.sin(angle) * 0.8)
        s.left, s.move = max(1, int(m.reach / per_tick)), b.move


@jit
def in_blow(f, t):
    """Whether the fighter stands where the present strike hits."""
    b, p = f.boss, f.player
    m = t.moves[b.move]
    if distance_of(f) > m.reach + PLAYER_RADIUS:
        return False
    return abs(angle_between(math.atan2(p.y - b.y, p.x - b.x), b.facing)) <= m.half_arc


@jit
def _strike(f, t):
    b = f.boss
    m = t.moves[b.move]
    if m.step > 0 and distance_of(f) > t.boss.radius + PLAYER_RADIUS + 0.1:
        b.x += math.cos(b.facing) * m.step / b.total
        b.y += math.sin(b.facing) * m.step / b.total
    if b.hit_done != 1 and m.kind != K_RANGED and in_blow(f, t):
        if _hit_player(f, t, m):
            b.hit_done = 1
        elif b.hit_done == 0 and f.player.state == P_DODGE:
            b.hit_done = 2
            f.dodges += 1
    if b.t < b.total:
        return
    phase = t.phases[b.phase]
    if b.chain < MAX_CHAIN:
        draw, d = uniform(f), distance_of(f)
        for i in range(t.n_moves):
            chance = m.then[i] * phase.combo
            if draw < chance:
                if t.moves[i].near - 1.0 <= d <= t.moves[i].far + 1.5:
                    b.chain += 1
                    _begin_move(f, t, i, t.moves[i].chain)
                    return
                break
            draw -= chance
    b.stage, b.t, b.total = B_RECOVER, 0, m.recover


@jit
def _break_boss(f):
    b = f.boss
    b.stage, b.move, b.t, b.total, b.feint, b.hold = B_BROKEN, NO_MOVE, 0, BOSS_BROKEN, 0, 0
    b.chain = 0


@jit
def _boss_tick(f, t):
    b = f.boss
    if b.pause:
        b.pause -= 1
    elif t.blade and b.stage != B_BROKEN:
        b.posture = max(0.0, b.posture - t.boss.posture_regen / TICK_HZ * (0.3 + 0.7 * b.health / t.boss.health))
    if b.frozen:
        b.frozen -= 1
        return
    while b.phase + 1 < t.n_phases and b.health <= t.phases[b.phase].above * t.boss.health:
        b.phase += 1
    if t.blade and b.stage != B_BROKEN and (b.posture >= t.boss.posture or b.health <= 0) and not airborne(f, t):
        _break_boss(f)
    if b.stage == B_IDLE:
        _idle(f, t)
        return
    b.t += 1
    if b.stage == B_WINDUP:
        _windup(f, t)
    elif b.stage == B_STRIKE:
        _strike(f, t)
    elif b.t >= b.total:
        if b.stage == B_BROKEN:
            b.posture = t.boss.posture * 0.4
            b.health = max(b.health, t.boss.health * 0.05)
        phase = t.phases[b.phase]
        _stand_idle(f, max(1, int(phase.idle_low + (phase.idle_high - phase.idle_low) * uniform(f) + 0.5)))


# -- the world --------------------------------------------------------------------------------------------------


@jit
def _keep_apart(f, t):
    """Nobody walks through the other or out of the ring."""
    p, b = f.player, f.boss
    r = math.sqrt(b.x * b.x + b.y * b.y)
    if r > t.arena_radius:
        b.x, b.y = b.x * t.arena_radius / r, b.y * t.arena_radius / r
    gap, d = t.boss.radius + PLAYER_RADIUS, distance_of(f)
    if d < gap and not airborne(f, t):
        dx, dy = 1.0, 0.0
        if d > 1e-6:
            dx, dy = (p.x - b.x) / d, (p.y - b.y) / d
        p.x, p.y = b.x + dx * gap, b.y + dy * gap
    r = math.sqrt(p.x * p.x + p.y * p.y)
    if r > t.arena_radius:
        p.x, p.y = p.x * t.arena_radius / r, p.y * t.arena_radius / r
    p.x, p.y, b.x, b.y = snap(p.x), snap(p.y), snap(b.x), snap(b.y)
    b.facing = snap(angle_between(b.facing, 0.0))


@jit
def _count(f):
    """Counts on what the drawing reads as "ticks since"."""
    p, b = f.player, f.boss
    p.hit_t = min(LONG_AGO, p.hit_t + 1)
    p.parry_t = min(LONG_AGO, p.parry_t + 1)
    p.heal_t = min(LONG_AGO, p.heal_t + 1)
    b.hit_t = min(LONG_AGO, b.hit_t + 1)


@jit
def tick(f, t, held):
    """Advances one fight by one tick. After the end it does nothing."""
    if f.result:
        return
    f.tick += 1
    _count(f)
    _remember_presses(f, held)
    _player_tick(f, t, held)
    f.previous = held
    _boss_tick(f, t)
    _fly(f, t)
    _keep_apart(f, t)
    if f.boss.health <= 0 and (not t.blade or f.boss.hit_kind == HIT_DEATHBLOW):  # blade: only a deathblow ends it
        f.result = WIN
        f.boss.stage, f.boss.t, f.boss.total, f.boss.move = B_DOWN, 0, 0, NO_MOVE
    elif f.player.health <= 0:
        f.result = LOSS
        _enter(f.player, P_DOWN, 0)
    elif f.tick >= t.time_limit:
        f.result = TIMEOUT


# -- plans ------------------------------------------------------------------------------------------------------

_WIDTH = len(HELD_ACTIONS) + 1
_DURATION_TICKS = np.array([0, *(ms * TICK_HZ // 1000 for ms in DURATIONS_MS)], np.int64)


@jit
def begin_plan(f, array):
    """From now on the fight carries out this plan array, as `Plan.from_array` reads it."""
    end, over = 0, False
    for step in range(MAX_STEPS):
        row = array[step * _WIDTH : (step + 1) * _WIDTH]
        over = over or row[_WIDTH - 1] == 0
        bits = 0
        if not over:
            for k in range(_WIDTH - 1):
                bits |= int(row[k]) << k
            if bits & FORWARD and bits & BACK:
                bits &= ~(FORWARD | BACK)
            if bits & LEFT and bits & RIGHT:
                bits &= ~(LEFT | RIGHT)
            end += _DURATION_TICKS[row[_WIDTH - 1]]
        f.plan_bits[step], f.plan_ends[step] = bits, end
    f.plan_t = 0


@jit
def advance(f, t, ticks):
    """Carries the present plan on."""
    for _ in range(ticks):
        held = 0
        for step in range(MAX_STEPS):
            if f.plan_t < f.plan_ends[step]:
                held = f.plan_bits[step]
                break
        tick(f, t, held)
        f.plan_t += 1


# -- what Python calls: arrays of fights, so that one compiled form serves all ----------------------------------


@jit
def run(fights, tables, held, ticks):
    """Holds the same inputs for a while in one fight: `fights` and `tables` have one record each."""
    for _ in range(ticks):
        tick(fights[0], tables[0], held)


@jit
def decide(fights, tables, which, plans, thinking, period):
    """One decision of many fights, in place. The old plan goes on for `thinking[i]` ticks, then `plans[i]` begins; the
    decision lasts `max(thinking[i], period)` ticks. `tables[which[i]]` is the task of `fights[i]`.

    `plans` int64[N, PLAN_LENGTH] as of `Plan.to_array`, `thinking` int64[N], `which` int64[N]. Nothing is checked here:
    what comes from outside has to pass `plans.checked_plans` first.
    """
    for i in range(fights.size):
        f, t = fights[i], tables[which[i]]
        advance(f, t, thinking[i])
        begin_plan(f, plans[i])
        advance(f, t, max(0, period - thinking[i]))
