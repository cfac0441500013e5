"""What the README says exists, exists."""

import re
from pathlib import Path

from combatvla.cli import resolve

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def tree_paths() -> list[str]:
    """The paths of the annotated file tree; an entry indented by four lies in the folder above it."""
    (tree,) = re.findall(r"```\n(combatvla/ .*?)```", README, re.S)
    paths, folder = [], ""
    for line in tree.splitlines():
        name = line.split()[0]
        folder = folder if line.startswith(" ") else name
        paths.append(folder + name if line.startswith(" ") else name)
    return paths


def test_the_file_tree_is_there():
    paths = tree_paths()
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_command_shown_is_one():
    shown = re.findall(r"(?:^|`|/)combatvla ((?:[a-z]+ ?)+)", README, re.M)
    assert len(shown) >= 8
    assert [words for words in shown if resolve(words.split()) is None] == []


def test_its_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in re.findall(r"^make (\w+)", README, re.M))


def test_the_python_example_runs():
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    names: dict = {}
    exec(code, names)
    assert names["decision"].parsed and names["info"]["truth"]["tick"] >= 6
    names["arena"].close()


def test_links_and_pictures_lead_somewhere():
    local = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("http")]
    assert local and [link for link in local if not (ROOT / link).exists()] == []
