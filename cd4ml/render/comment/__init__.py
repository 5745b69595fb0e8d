"""The comment on a pull request: a part for each pipeline, in one text that is never too long to be posted."""
