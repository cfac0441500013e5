"""The rooms import one another in one direction only."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "combatvla": set(),
    "tracker": {"combatvla"},
    "env": {"combatvla"},
    "agent": {"combatvla"},
    "benchmark": {"combatvla", "tracker", "env", "agent"},
    "training": {"combatvla", "tracker", "env", "agent"},
}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_what_it_may(room):
    """`combatvla/cli.py` names the others' modules in its table, and imports them when they are called."""
    wrong = []
    for path in (ROOT / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""] if not node.level else []
            for other in {name.partition(".")[0] for name in names} & MAY_IMPORT.keys():
                if other != room and other not in MAY_IMPORT[room]:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} imports {other}")
    assert wrong == []
