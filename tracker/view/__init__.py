"""The viewer: a local page that shows a recording with its keys, its mouse and its explanations."""
