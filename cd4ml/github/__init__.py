"""The GitHub platform: `runtime` writes what a run tells its runner, `client` speaks to the REST API."""
