"""Several processes that serve one model: forked from one that has loaded it, and watched by that one."""
