"""Gateways: what clients that ask many providers make of a call."""
