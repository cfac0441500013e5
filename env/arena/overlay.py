"""What a window writes over the fight: the key help, the pause menu, a hint. Never part of the offscreen picture."""

from __future__ import annotations

from panda3d.core import Camera, NodePath, OrthographicLens, TextNode, TransparencyAttrib

from combatvla.actions import Action
from combatvla.profiles import GameProfile
from env.arena.shapes.canvas import Canvas
from env.arena.shapes.mesh import Color

INK, FAINT, ACCENT = (0.96, 0.94, 0.88), (0.66, 0.68, 0.72), (1.0, 0.80, 0.30)
BACK, CAP, LIT = (0.05, 0.06, 0.08), (0.20, 0.22, 0.27), (0.85, 0.62, 0.18)

MENU = (
    ("resume", "Resume", "Esc"),
    ("restart", "Restart", "Backspace"),
    ("help", "Key help", "F1"),
    ("quit", "Quit", "Q"),
)
"""The pause menu: command, words, key."""
MENU_X, MENU_W, MENU_TOP, MENU_ROW = -2.3, 4.6, 1.15, 0.72

WORDS = {
    Action.SPRINT: "Sprint (hold)",
    Action.DODGE: "Dodge",
    Action.LIGHT_ATTACK: "Light attack",
    Action.HEAVY_ATTACK: "Heavy attack",
    Action.BLOCK: "Block (hold)",
    Action.HEAL: "Heal",
    Action.SKILL: "Freeze the boss",
}
HINTS = {
    "staff": "The mark on the ground shows where a blow lands, its filling when. At the white flare: dodge. "
    "A heavy attack grows while it is held.",
    "blade": "A block just before the blow is a parry. When the boss's posture (the bar at the top) is full, a light "
    "attack ends it. A red sign: do not block, dodge.",
}


def key_words(key: str) -> str:
    """A profile's key as people call it."""
    named = {"mouse_left": "Left mouse", "mouse_right": "Right mouse", "mouse_middle": "Middle mouse"}
    return named.get(key) or (key.upper() if len(key) == 1 else key.capitalize())


def help_rows(profile: GameProfile) -> list[tuple[str, tuple[str, ...]]]:
    """The key help: what, and the keys for it. Generated from the profile."""
    keys = profile.keys
    moves = (Action.MOVE_FORWARD, Action.MOVE_LEFT, Action.MOVE_BACK, Action.MOVE_RIGHT)
    rows = [("Move", tuple(key_words(keys[m]) for m in moves if m in keys))]
    rows += [(words, (key_words(keys[action]),)) for action, words in WORDS.items() if action in keys]
    return [
        *rows,
        ("Pause", ("P", "Esc")),
        ("Restart", ("Backspace",)),
        ("Next fight", ("Enter",)),
        ("Help", ("F1", "H")),
    ]


# -- drawing ----------------------------------------------------------------------------------------------------


def card(parent: NodePath, x: float, y: float, w: float, h: float, color: Color, alpha: float = 1.0) -> NodePath:
    """A rectangle; `x`, `y`: its lower left corner."""
    canvas = Canvas()
    canvas.rectangle(x, y, w, h, (*color, alpha))
    node = canvas.node("card")
    node.reparent_to(parent)
    if alpha < 1:
        node.set_transparency(TransparencyAttrib.M_alpha)
    return node


def label(
    parent: NodePath,
    text: str,
    x: float,
    y: float,
    size: float,
    color: Color = INK,
    align: str = "left",
    wrap: float = 0,
) -> tuple[NodePath, TextNode]:
    """Text whose first line stands on `y`; `wrap`: the width at which it breaks. Its node may be given new text."""
    node = TextNode("label")
    node.set_align({"left": TextNode.A_left, "center": TextNode.A_center, "right": TextNode.A_right}[align])
    node.set_text_color(*color, 1)
    if wrap:
        node.set_wordwrap(wrap / size)
    node.set_text(text)
    path = parent.attach_new_node(node)
    path.set_scale(size)
    path.set_pos(x, 0, y)
    return path, node


def cap(parent: NodePath, text: str, right: float, y: float, size: float = 0.25) -> float:
    """A key's cap that ends at `right`; gives its left edge."""
    node = TextNode("width")
    node.set_text(text)
    width = max(0.42, node.get_width() * size + 0.24)
    card(parent, right - width, y - 0.11, width, 0.36, CAP)
    label(parent, text, right - width / 2, y, size, INK, "center")
    return right - width


class Overlay:
    """All that lies over the picture, in its own plane of 16 x 9. Nothing is shown until it is asked for."""

    def __init__(self, profile: GameProfile, rules: str) -> None:
        self.root = NodePath("overlay")
        self.root.set_depth_test(False)
        self.root.set_depth_write(False)
        self.root.set_bin("unsorted", 0)  # later children lie over earlier ones
        lens = OrthographicLens()
        lens.set_film_size(16, 9)
        lens.set_near_far(-10, 10)
        self.camera = self.root.attach_new_node(Camera("overlay camera", lens))
        self._menu = self._make_menu()
        self._help = self._make_help(profile, rules)
        self._hint = self.root.attach_new_node("hint")
        self.hint: str | None = None
        self.add(self._menu)
        self.add(self._help)
        self.add(self._hint)

    def add(self, part: NodePath) -> None:
        """Takes in another part, hidden."""
        part.reparent_to(self.root)
        part.hide()

    @property
    def visible(self) -> bool:
        """Whether anything is shown."""
        return any(not part.is_hidden() for part in self.root.get_children() if part != self.camera)

    @property
    def help_shown(self) -> bool:
        return not self._help.is_hidden()

    def show_help(self, shown: bool) -> None:
        _show(self._help, shown)

    def show_menu(self, choice: int | None) -> None:
        """The pause menu with one of its rows chosen; None hides it."""
        _show(self._menu, choice is not None)
        if choice is not None:
            self._bar.set_z(-choice * MENU_ROW)

    def show_hint(self, text: str | None) -> None:
        """One line below the middle; None hides it."""
        if text == self.hint:
            return
        self.hint = text
        _show(self._hint, text is not None)
        self._hint.get_children().detach()
        if text is not None:
            back = card(self._hint, 0, -1.62, 1, 0.52, BACK, 0.7)
            _, node = label(self._hint, text, 0, -1.46, 0.28, INK, "center")
            width = node.get_width() * 0.28 + 0.6
            back.set_x(-width / 2)
            back.set_sx(width)

    def _make_menu(self) -> NodePath:
        menu = NodePath("menu")
        bottom = MENU_TOP - MENU_ROW * len(MENU) - 0.1
        card(menu, -8, -4.5, 16, 9, (0, 0, 0), 0.5)
        card(menu, MENU_X, bottom, MENU_W, MENU_TOP - bottom + 1.1, BACK, 0.94)
        label(menu, "Paused", MENU_X + MENU_W / 2, MENU_TOP + 0.42, 0.46, ACCENT, "center")
        self._bar = card(menu, MENU_X + 0.15, MENU_TOP - MENU_ROW, MENU_W - 0.3, MENU_ROW - 0.08, LIT, 0.55)
        for i, (_, words, key) in enumerate(MENU):
            y = MENU_TOP - MENU_ROW * (i + 1) + 0.22
            label(menu, words, MENU_X + 0.4, y, 0.34)
            cap(menu, key, MENU_X + MENU_W - 0.35, y)
        return menu

    def _make_help(self, profile: GameProfile, rules: str) -> NodePath:
        rows, panel = help_rows(profile), NodePath("help")
        row, left, width, top = 0.43, -7.75, 4.75, 3.35
        height = row * len(rows) + 1.65
        card(panel, left, top - height, width, height, BACK, 0.82)
        for i, (words, keys) in enumerate(rows):
            y = top - 0.42 - row * i
            label(panel, words, left + 0.25, y, 0.27)
            right = left + width - 0.2
            for key in reversed(keys):
                right = cap(panel, key, right, y) - 0.08
        label(panel, HINTS[rules], left + 0.25, top - 0.52 - row * len(rows), 0.225, ACCENT, wrap=width - 0.5)
        panel.flatten_strong()
        return panel


def menu_row(x: float, y: float) -> int | None:
    """The row of the pause menu at a place of the plane."""
    row = int((MENU_TOP - y) // MENU_ROW)
    return row if MENU_X <= x <= MENU_X + MENU_W and 0 <= row < len(MENU) else None


def _show(part: NodePath, shown: bool) -> None:
    if shown:
        part.show()
    else:
        part.hide()
