"""The fault drill: what goes wrong on purpose, again and again, and what the agent then leaves behind."""
