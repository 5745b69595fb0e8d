"""Tests of cd4ml/github."""
