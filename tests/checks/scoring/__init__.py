"""Tests of cd4ml/checks/scoring."""
