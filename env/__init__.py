"""The Arena and its Gymnasium environments. Importing this package registers `combatvla/Arena-v0`."""

from gymnasium.envs.registration import register, registry

if "combatvla/Arena-v0" not in registry:
    register(
        "combatvla/Arena-v0",
        entry_point="env.arena.gym:ArenaEnv",
        vector_entry_point="env.arena.vector:ArenaVectorEnv",
    )
