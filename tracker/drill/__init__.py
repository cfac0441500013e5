"""Drills: what a recording holds against what really happened, as told by programs that know nothing of it."""
