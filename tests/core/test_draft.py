"""What may be said next, as a tree."""

from hypothesis import given
from hypothesis import strategies as st

from combatvla.policy.draft import KEPT, Draft, Tree

TOKENS = st.lists(st.integers(0, 5), min_size=1, max_size=6)


@given(said=st.lists(TOKENS, max_size=30), most=st.integers(1, 12))
def test_a_tree_holds_prefixes_of_what_it_was_grown_from(said, most):
    tree = Tree()
    for branch in said:
        tree.grow(branch, most)
    assert len(tree.tokens) == len(tree.parents) <= most
    assert all(parent < node for node, parent in enumerate(tree.parents))
    branches = {tuple(tree.tokens[k] for k in tree.path(node)) for node in range(len(tree.tokens))}
    assert len(branches) == len(tree.tokens), "no branch stands there twice"
    prefixes = {tuple(b[:k]) for b in said for k in range(1, len(b) + 1)}
    assert branches == prefixes if len(prefixes) <= most else branches < prefixes
    for branch in branches:
        row = 0
        for token in branch:
            row = tree.follow(row, token)
        assert tuple(tree.tokens[k] for k in tree.path(row - 1)) == branch


def test_it_expects_what_was_said_most_of_late():
    draft = Draft(2)
    for _ in range(5):
        draft.heard([1, 2, 9])
    draft.heard([3, 4, 9])
    assert draft.tree().tokens == [1, 2]
    for _ in range(8):
        draft.heard([3, 4, 9])
    assert draft.tree().tokens == [3, 4]
    for k in range(3 * KEPT):
        draft.heard([k, 9])
    assert len(draft._weights) <= KEPT


def test_nothing_was_said_yet():
    assert Draft(8).tree().tokens == [] and Tree().follow(0, 1) is None
