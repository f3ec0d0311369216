"""Configurations of others, turned into ours."""
