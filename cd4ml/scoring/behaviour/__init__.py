"""Behaviour tests: what is declared of a model's answers, and the rows that put it to the test."""
