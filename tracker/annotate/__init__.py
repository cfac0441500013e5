"""Annotators: why the player did what was done, in a sentence a step."""
