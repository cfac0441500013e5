"""Flare, the open-source action RPG (Debian: `flare-game`): a boss fight of our own in it, as a mod of text files."""
