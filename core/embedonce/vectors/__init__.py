"""Vectors in memory: checking answers, gathering rows, codecs and envelopes."""
