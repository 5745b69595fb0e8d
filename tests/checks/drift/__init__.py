"""Tests of cd4ml/checks/drift."""
