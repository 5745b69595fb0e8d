"""Running a model in its own environment, in a child process without the job's secrets."""
