"""Tests of cd4ml/checks/performance."""
