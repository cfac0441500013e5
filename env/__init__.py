"""The Arena and the Gymnasium environments. Importing this package registers `combatvla/Arena-v0` (deterministic) and
`combatvla/Window-v0` (a live window)."""

from gymnasium.envs.registration import register, registry

if "combatvla/Arena-v0" not in registry:
    register(
        "combatvla/Arena-v0",
        entry_point="env.arena.gym:ArenaEnv",
        vector_entry_point="env.arena.vector:ArenaVectorEnv",
    )
    register("combatvla/Window-v0", entry_point="env.window_gym:WindowEnv", nondeterministic=True)
