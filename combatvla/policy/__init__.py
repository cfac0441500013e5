"""Policies: frames in, a decision out."""
