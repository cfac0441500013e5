"""What a model is likely to say next, as a tree of tokens: the decisions said most of late."""

from __future__ import annotations

from collections.abc import Sequence

FADE = 0.95
"""What a decision counts for fades by this with each later one."""
KEPT = 64


class Tree:
    """Tokens that may follow the prompt. `parents[i]` is the node before node `i`, -1 for the first ones; nodes come
    after their parents. Places in it are rows of what the engine reads: 0 is the prompt's end, `i + 1` node `i`."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.parents: list[int] = []
        self._next: dict[tuple[int, int], int] = {}

    def grow(self, said: Sequence[int], most: int) -> None:
        """Adds a branch, up to `most` nodes in all."""
        row = 0
        for token in said:
            following = self._next.get((row, token))
            if following is None:
                if len(self.tokens) == most:
                    return
                self.tokens.append(token)
                self.parents.append(row - 1)
                following = self._next[row, token] = len(self.tokens)
            row = following

    def follow(self, row: int, token: int) -> int | None:
        """The row of `token` after `row`; None when the tree has no such branch."""
        return self._next.get((row, token))

    def path(self, node: int) -> list[int]:
        """The nodes from the first to `node`, with it; none for -1."""
        path = []
        while node >= 0:
            path.append(node)
            node = self.parents[node]
        return path[::-1]


class Draft:
    """Remembers what was said, and gives a tree of at most `nodes` nodes of it."""

    def __init__(self, nodes: int) -> None:
        self._nodes = nodes
        self._weights: dict[tuple[int, ...], float] = {}

    def heard(self, said: Sequence[int]) -> None:
        """A whole decision. Its last token ends it, so nothing follows and it need not be in the tree."""
        for key in self._weights:
            self._weights[key] *= FADE
        branch = tuple(said[:-1])
        self._weights[branch] = self._weights.get(branch, 0.0) + 1
        if len(self._weights) > KEPT:
            del self._weights[min(self._weights, key=self._weights.__getitem__)]

    def tree(self) -> Tree:
        tree = Tree()
        for branch in sorted(self._weights, key=self._weights.__getitem__, reverse=True):
            if len(tree.tokens) == self._nodes:
                break
            tree.grow(branch, self._nodes)
        return tree
