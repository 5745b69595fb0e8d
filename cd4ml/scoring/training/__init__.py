"""The caller's training code, run as a model is: in its own locked environment, in a sandbox, without secrets."""
