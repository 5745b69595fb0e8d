"""Tests of the search of hyper-parameters."""
