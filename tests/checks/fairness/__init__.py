"""Tests of cd4ml/checks/fairness."""
