"""The Arena and its Gymnasium environments. Importing this package makes `gymnasium.make("combatvla/Arena-v0")` work."""

from gymnasium.envs.registration import register, registry

if "combatvla/Arena-v0" not in registry:
    register("combatvla/Arena-v0", entry_point="env.arena.gym:ArenaEnv")
