"""Tests of cd4ml/scoring/behaviour."""
