"""Campaigns on the fast EVM against the model: random waterfalls, shrunk and replayed."""
