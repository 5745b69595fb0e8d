"""Tests of cd4ml/evidence."""
