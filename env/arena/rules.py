"""The rules of the fight, at a fixed tick and without a picture.

`Fight.tick(held)` advances the world by 1/60 s under the inputs that are held. Nothing here knows keys, pixels or
wall-clock time: the same task, seed and inputs give the same fight. The fighter is locked on to the boss, so moves
are relative to it. Angles in radians, distances in metres, times in ticks unless a name says otherwise.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from combatvla.actions import Action
from env.tasks import Move, Phase, Task

TICK_HZ = 60

BUFFER = 12
"""A press made while busy is remembered this long, as in the games of the genre."""
HURT = 24
HURT_INVULNERABLE = 45
PLAYER_RADIUS = 0.4


@dataclass(frozen=True, slots=True)
class Blow:
    """What one of the fighter's busy states costs and does. `hit_at`: the tick of its effect."""

    total: int
    hit_at: int
    stamina: float
    damage: float = 0.0
    reach: float = 0.0


BLOWS = {
    Action.LIGHT_ATTACK: Blow(total=26, hit_at=10, stamina=11, damage=13, reach=2.9),
    Action.HEAVY_ATTACK: Blow(total=50, hit_at=28, stamina=24, damage=34, reach=3.1),
    Action.DODGE: Blow(total=30, hit_at=0, stamina=17),
    Action.HEAL: Blow(total=56, hit_at=38, stamina=0),
    Action.SKILL: Blow(total=24, hit_at=14, stamina=0),
}
DODGE_INVULNERABLE = range(2, 24)
"""The ticks of a dodge in which nothing hits (the i-frames): 0.37 s."""
DODGE_METRES = 3.0
DODGE_MOVE_TICKS = 20

STATE_NAMES = {
    Action.LIGHT_ATTACK: "light",
    Action.HEAVY_ATTACK: "heavy",
    Action.DODGE: "dodge",
    Action.HEAL: "heal",
    Action.SKILL: "skill",
}
PRESSES = (Action.DODGE, Action.HEAL, Action.SKILL, Action.HEAVY_ATTACK, Action.LIGHT_ATTACK)
"""Inputs that start something, by precedence when several wait."""
REPEATING = frozenset({Action.LIGHT_ATTACK, Action.HEAVY_ATTACK})
"""Held down, these go on (a combo); the others need a new press."""


@dataclass(slots=True)
class PlayerState:
    x: float
    y: float
    health: float
    stamina: float
    heals: int
    state: str = "idle"
    t: int = 0
    total: int = 0
    cooldown: int = 0
    pause: int = 0
    invulnerable: int = 0
    dodge_x: float = 0.0
    dodge_y: float = 0.0
    swings: int = 0
    walk: float = 0.0
    """Metres walked: the phase of the gait."""
    buffered: Action | None = None
    buffer_left: int = 0


@dataclass(slots=True)
class BossState:
    x: float
    y: float
    facing: float
    health: float
    move: str = "none"
    stage: str = "idle"
    t: int = 0
    total: int = 0
    idle_left: int = 0
    hit_done: bool = False
    follow_ups: int = 0
    target_x: float = 0.0
    target_y: float = 0.0
    from_x: float = 0.0
    from_y: float = 0.0
    frozen: int = 0
    flash: int = 0
    """Ticks since it was last hit count down from here; for the drawing."""
    walk: float = 0.0
    phase: int = 0


def _ticks(seconds: float) -> int:
    return max(1, round(seconds * TICK_HZ))


def _angle_between(a: float, b: float) -> float:
    return (a - b + math.pi) % math.tau - math.pi


class Fight:
    """One fight of one task. `result` is None until it ends in "win", "loss" or "timeout"."""

    def __init__(self, task: Task, seed: int) -> None:
        self.task = task
        self.seed = seed
        self.rng = random.Random(f"{task.name}/{seed}")
        self.tick_count = 0
        self.result: str | None = None
        self.damage_dealt = 0.0
        self.damage_taken = 0.0
        self.previous: frozenset[Action] = frozenset()
        angle = self.rng.uniform(-math.pi, math.pi)
        distance = self.rng.uniform(5.0, 8.0)
        stats, boss = task.player, task.boss
        self.player = PlayerState(0.0, 0.0, stats.health, stats.stamina, stats.heals)
        self.boss = BossState(
            math.cos(angle) * distance, math.sin(angle) * distance, angle + math.pi, boss.health, idle_left=_ticks(1.2)
        )
        # One draw an episode that the drawing uses: same seed, same look.
        self.look_seed = self.rng.randrange(1 << 30)

    # -- what others read ------------------------------------------------------------------------------------

    @property
    def distance(self) -> float:
        return math.hypot(self.boss.x - self.player.x, self.boss.y - self.player.y)

    @property
    def phase(self) -> Phase:
        return self.task.boss.phases[self.boss.phase]

    def boss_progress(self) -> float:
        return self.boss.t / self.boss.total if self.boss.total else 0.0

    def player_progress(self) -> float:
        return self.player.t / self.player.total if self.player.total else 0.0

    def truth(self) -> dict:
        """The true state as plain JSON values, for labels, rewards, logs and reference players: no observation."""
        p, b, stats = self.player, self.boss, self.task.player
        impact = round((b.total - b.t) * 1000 / TICK_HZ) if b.stage == "windup" else 0 if b.stage == "strike" else None
        return {
            "task": self.task.name,
            "seed": self.seed,
            "tick": self.tick_count,
            "phase": b.phase + 1,
            "result": self.result,
            "player": {
                "health": p.health / stats.health,
                "stamina": max(0.0, p.stamina) / stats.stamina,
                "heals": p.heals,
                "skill_ready": p.cooldown == 0,
                "state": p.state,
                "progress": round(self.player_progress(), 4),
                "busy_ms": round((p.total - p.t) * 1000 / TICK_HZ) if p.total else 0,
                "invulnerable": p.invulnerable > 0,
            },
            "boss": {
                "health": b.health / self.task.boss.health,
                "move": b.move,
                "stage": "frozen" if b.frozen else b.stage,
                "progress": round(self.boss_progress(), 4),
                "impact_ms": None if b.frozen else impact,
                "elapsed_ms": round(b.t * 1000 / TICK_HZ),
                "left_ms": round((b.frozen or b.total - b.t) * 1000 / TICK_HZ) if b.frozen or b.total else 0,
            },
            "distance": round(self.distance, 3),
            "damage_dealt": self.damage_dealt / self.task.boss.health,
            "damage_taken": self.damage_taken / stats.health,
        }

    # -- one tick --------------------------------------------------------------------------------------------

    def tick(self, held: frozenset[Action]) -> None:
        """Advances the world by one tick. After the end it does nothing."""
        if self.result is not None:
            return
        self.tick_count += 1
        self._remember_presses(held)
        self._player_tick(held)
        self._boss_tick()
        self._keep_apart()
        if self.boss.health <= 0:
            self.result = "win"
        elif self.player.health <= 0:
            self.result = "loss"
        elif self.tick_count >= self.task.time_limit_s * TICK_HZ:
            self.result = "timeout"

    def _remember_presses(self, held: frozenset[Action]) -> None:
        p = self.player
        if p.buffer_left:
            p.buffer_left -= 1
            if not p.buffer_left:
                p.buffered = None
        for action in PRESSES:
            if action in held and action not in self.previous:
                p.buffered, p.buffer_left = action, BUFFER
                break
        self.previous = held

    def _player_tick(self, held: frozenset[Action]) -> None:
        p, stats = self.player, self.task.player
        if p.cooldown:
            p.cooldown -= 1
        if p.invulnerable:
            p.invulnerable -= 1
        if p.pause:
            p.pause -= 1
        elif p.stamina < stats.stamina:
            p.stamina = min(stats.stamina, p.stamina + stats.stamina_regen / TICK_HZ)
        if p.total:
            p.t += 1
            self._player_effect()
            if p.t < p.total:
                return
            p.state, p.t, p.total = "idle", 0, 0
        if not self._start(held):
            self._walk(held)

    def _start(self, held: frozenset[Action]) -> bool:
        """Begins the press that waits, or an attack that is still held. True if something began."""
        p, stats = self.player, self.task.player
        action = p.buffered
        if action is None:
            action = next((a for a in PRESSES if a in REPEATING and a in held), None)
        if action is None or (p.stamina <= 0 and BLOWS[action].stamina):
            return False
        p.buffered, p.buffer_left = None, 0
        if (action is Action.HEAL and p.heals <= 0) or (action is Action.SKILL and p.cooldown):
            return False
        blow = BLOWS[action]
        p.state, p.t, p.total = STATE_NAMES[action], 0, blow.total
        if blow.stamina:
            p.stamina -= blow.stamina
            p.pause = _ticks(stats.stamina_pause)
        if action is Action.DODGE:
            dx, dy = self._direction(held)
            if not (dx or dy):
                dx, dy = self._direction(frozenset({Action.MOVE_BACK}))
            p.dodge_x, p.dodge_y = dx, dy
        elif action is Action.SKILL:
            p.cooldown = _ticks(stats.skill_cooldown)
        elif action in REPEATING:
            p.swings += 1
        return True

    def _player_effect(self) -> None:
        p, b, stats = self.player, self.boss, self.task.player
        if p.state == "dodge":
            if p.t <= DODGE_MOVE_TICKS:
                p.x += p.dodge_x * DODGE_METRES / DODGE_MOVE_TICKS
                p.y += p.dodge_y * DODGE_METRES / DODGE_MOVE_TICKS
        elif p.state in ("light", "heavy"):
            blow = BLOWS[Action.LIGHT_ATTACK if p.state == "light" else Action.HEAVY_ATTACK]
            if p.t == blow.hit_at and self.distance <= blow.reach and not self._airborne():
                dealt = min(blow.damage, b.health)
                b.health -= dealt
                b.flash = 8
                self.damage_dealt += dealt
        elif p.state == "heal" and p.t == BLOWS[Action.HEAL].hit_at:
            p.heals -= 1
            p.health = min(stats.health, p.health + stats.heal_amount)
        elif p.state == "skill" and p.t == BLOWS[Action.SKILL].hit_at and self.distance <= stats.skill_range:
            if not self._airborne():
                b.frozen = _ticks(stats.skill_freeze)

    def _direction(self, held: frozenset[Action]) -> tuple[float, float]:
        """The unit vector of the held moves; forward is toward the boss. (0, 0) for none."""
        forward = (Action.MOVE_FORWARD in held) - (Action.MOVE_BACK in held)
        right = (Action.MOVE_RIGHT in held) - (Action.MOVE_LEFT in held)
        if not (forward or right):
            return 0.0, 0.0
        p, b = self.player, self.boss
        d = self.distance or 1.0
        fx, fy = (b.x - p.x) / d, (b.y - p.y) / d
        x, y = forward * fx + right * fy, forward * fy - right * fx
        n = math.hypot(x, y)
        return x / n, y / n

    def _walk(self, held: frozenset[Action]) -> None:
        p, stats = self.player, self.task.player
        dx, dy = self._direction(held)
        if not (dx or dy):
            p.state = "idle"
            return
        speed = stats.speed
        if Action.SPRINT in held and p.stamina > 0:
            speed = stats.sprint_speed
            p.stamina -= stats.sprint_cost / TICK_HZ
            p.pause = max(p.pause, 6)
        p.state = "moving"
        p.x += dx * speed / TICK_HZ
        p.y += dy * speed / TICK_HZ
        p.walk += speed / TICK_HZ

    # -- the boss --------------------------------------------------------------------------------------------

    def _airborne(self) -> bool:
        b = self.boss
        return b.stage == "windup" and self.task.boss.moves[b.move].leap and self.boss_progress() > LEAP_OFF

    def _boss_tick(self) -> None:
        b, stats = self.boss, self.task.boss
        if b.flash:
            b.flash -= 1
        if b.frozen:
            b.frozen -= 1
            return
        while b.phase + 1 < len(stats.phases) and b.health / stats.health <= stats.phases[b.phase].above:
            b.phase += 1
        if b.stage == "idle":
            self._boss_idle()
            return
        move = stats.moves[b.move]
        b.t += 1
        if b.stage == "windup":
            self._boss_windup(move)
        elif b.stage == "strike":
            self._boss_strike(move)
        elif b.t >= b.total:
            b.stage, b.move, b.t, b.total = "idle", "none", 0, 0

    def _turn(self, share: float = 1.0) -> None:
        b, p = self.boss, self.player
        wanted = math.atan2(p.y - b.y, p.x - b.x)
        limit = math.radians(self.task.boss.turn_deg) / TICK_HZ * share
        turn = _angle_between(wanted, b.facing)
        b.facing += max(-limit, min(limit, turn))

    def _boss_idle(self) -> None:
        b, p, stats = self.boss, self.player, self.task.boss
        self._turn()
        d = self.distance
        if b.idle_left:
            b.idle_left -= 1
        if d > 2.6:
            step = stats.speed / TICK_HZ
            b.x += (p.x - b.x) / d * step
            b.y += (p.y - b.y) / d * step
            b.walk += step
        if not b.idle_left:
            b.follow_ups = 0
            self._choose_move()

    def _choose_move(self) -> bool:
        d = self.distance
        moves = self.task.boss.moves
        fit = [(n, w) for n, w in self.phase.weights.items() if w and moves[n].range[0] <= d <= moves[n].range[1]]
        if not fit:
            return False
        name = self.rng.choices([n for n, _ in fit], [w for _, w in fit])[0]
        b = self.boss
        b.move, b.stage, b.t, b.hit_done = name, "windup", 0, False
        b.total = _ticks(moves[name].windup * self.phase.windup_scale)
        return True

    def _boss_windup(self, move: Move) -> None:
        b, p = self.boss, self.player
        if move.leap:
            if b.t == max(1, round(b.total * LEAP_OFF)):
                b.from_x, b.from_y = b.x, b.y
                d = self.distance or 1.0
                # It lands just short of the fighter, so that the two do not stand in each other.
                share = max(0.0, d - 1.2) / d
                b.target_x, b.target_y = b.x + (p.x - b.x) * share, b.y + (p.y - b.y) * share
            elif b.t > b.total * LEAP_OFF:
                s = (self.boss_progress() - LEAP_OFF) / (1 - LEAP_OFF)
                b.x = b.from_x + (b.target_x - b.from_x) * s
                b.y = b.from_y + (b.target_y - b.from_y) * s
            else:
                self._turn()
        elif self.boss_progress() < 0.75:
            self._turn(0.8)  # the last quarter is committed: stepping aside works
        if b.t >= b.total:
            b.stage, b.t, b.total = "strike", 0, _ticks(move.strike)

    def _boss_strike(self, move: Move) -> None:
        b = self.boss
        if move.step and self.distance > 1.4:
            b.x += math.cos(b.facing) * move.step / b.total
            b.y += math.sin(b.facing) * move.step / b.total
        if not b.hit_done and self._in_blow(move):
            b.hit_done = self._hit_player(move.damage)
        if b.t < b.total:
            return
        b.stage, b.t = "recover", 0
        b.total = _ticks(move.recover)
        low, high = self.phase.idle
        b.idle_left = _ticks(self.rng.uniform(low, high))
        if b.follow_ups == 0 and not move.leap and self.rng.random() < self.phase.follow_up:
            b.follow_ups += 1
            self._choose_move()

    def _in_blow(self, move: Move) -> bool:
        b, p = self.boss, self.player
        d = self.distance
        if d > move.reach + PLAYER_RADIUS:
            return False
        return (
            d < 0.8 or abs(_angle_between(math.atan2(p.y - b.y, p.x - b.x), b.facing)) <= math.radians(move.arc_deg) / 2
        )

    def _hit_player(self, damage: float) -> bool:
        """True if the blow landed. A dodged blow may still land later in the same strike."""
        p = self.player
        if p.invulnerable or (p.state == "dodge" and p.t in DODGE_INVULNERABLE):
            return False
        taken = min(damage, p.health)
        p.health -= taken
        self.damage_taken += taken
        p.state, p.t, p.total = "hurt", 0, HURT
        p.invulnerable = HURT_INVULNERABLE
        p.buffered, p.buffer_left = None, 0
        if p.health <= 0:
            p.state = "down"
        return True

    def _keep_apart(self) -> None:
        """Nobody walks through the other or out of the ring."""
        p, b = self.player, self.boss
        radius = self.task.arena_radius
        for body in (p, b):
            r = math.hypot(body.x, body.y)
            if r > radius:
                body.x, body.y = body.x * radius / r, body.y * radius / r
        gap = self.task.boss.radius + PLAYER_RADIUS
        d = self.distance
        if d < gap and not self._airborne():
            dx, dy = ((p.x - b.x) / d, (p.y - b.y) / d) if d > 1e-6 else (1.0, 0.0)
            p.x, p.y = b.x + dx * gap, b.y + dy * gap


LEAP_OFF = 0.55
"""The share of a leap's wind-up after which the boss is in the air."""
