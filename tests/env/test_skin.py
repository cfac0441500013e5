"""Bones that carry bones, and the mesh that they move: all as Panda3D's own nodes would."""

import numpy as np
import pytest
from panda3d.core import NodePath, Point3

from env.arena.shapes.mesh import box
from env.arena.shapes.skin import Bone, Skin, turn

ANGLES = ((0, 0, 0), (35, -20, 50), (-120, 80, 10), (179, -89, -179))


def vertices(skin: Skin) -> np.ndarray:
    """What the renderer gets: float32[vertices, 8]."""
    data = skin.node.node().get_geom(0).get_vertex_data()
    return np.frombuffer(memoryview(data.get_array(0)).cast("B"), np.float32).reshape(-1, 8)


@pytest.mark.parametrize("angles", ANGLES)
def test_bones_turn_as_nodes_do(angles):
    node, frame = NodePath("node"), np.zeros((4, 3))
    node.set_hpr(*angles)
    turn(frame, *angles)
    axes = [tuple(node.get_mat().xform_vec(axis)) for axis in ((1, 0, 0), (0, 1, 0), (0, 0, 1))]
    assert np.allclose(frame[:3], axes, atol=1e-6)


def test_a_bone_carries_what_hangs_on_it():
    arm, hand = NodePath("arm"), NodePath("hand")
    arm.set_pos_hpr_scale(1, 2, 3, 40, -30, 20, 2, 2, 2)
    hand.reparent_to(arm)
    hand.set_pos_hpr(0, 0, -1, -70, 15, 60)
    skin = Skin([Bone("arm", -1, box(1, 1, 1, (1, 0, 0))), Bone("hand", 0, box(1, 1, 2, (0, 1, 0)))])
    skin.frames[0, 3], skin.frames[1, 3] = (1, 2, 3), (0, 0, -1)
    turn(skin.frames[0], 40, -30, 20)
    skin.frames[0, :3] *= 2
    turn(skin.frames[1], -70, 15, 60)
    skin.draw()
    top = NodePath("top")
    arm.reparent_to(top)
    expected = [
        tuple(top.get_relative_point(node, Point3(*point)))
        for node, mesh in ((arm, box(1, 1, 1, (1, 0, 0))), (hand, box(1, 1, 2, (0, 1, 0))))
        for point in mesh.points
    ]
    assert np.allclose(vertices(skin)[:, :3], expected, atol=1e-5)
    assert np.allclose(
        skin.point(1, (0.5, 0.5, 1)), tuple(top.get_relative_point(hand, Point3(0.5, 0.5, 1))), atol=1e-5
    )


def test_paint_covers_one_bone_and_its_own_colours_come_back():
    skin = Skin([Bone("a", -1, box(1, 1, 1, (1, 0, 0))), Bone("none", -1), Bone("b", 0, box(1, 1, 1, (0, 1, 0)))])
    skin.draw()
    own, count = vertices(skin).copy(), len(skin.colors(0))
    skin.paint(2, (0, 0, 1))
    assert (vertices(skin)[:count] == own[:count]).all() and (vertices(skin)[count:, 4:] == (0, 0, 1, 1)).all()
    skin.paint(2, skin.colors(2))
    assert (vertices(skin) == own).all() and not len(skin.colors(1))


def test_the_whole_stands_where_it_is_placed():
    mesh, node = box(1, 2, 3, (1, 0, 0)), NodePath("node")
    skin = Skin([Bone("a", -1, mesh)])
    skin.place(4, -5, 130)
    skin.draw()
    node.set_pos_hpr(4, -5, 0, 130, 0, 0)
    top = NodePath("top")
    node.reparent_to(top)
    expected = [tuple(top.get_relative_point(node, Point3(*point))) for point in mesh.points]
    assert np.allclose(vertices(skin)[:, :3], expected, atol=1e-5)
    assert np.allclose(skin.point(0, (0, 1, 0)), tuple(top.get_relative_point(node, Point3(0, 1, 0))), atol=1e-5)
