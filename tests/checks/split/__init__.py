"""Tests of cd4ml/checks/split."""
