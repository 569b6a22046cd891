"""From a YAML of parameter changes to timelock calls that can be checked. See docs/proposals.md."""
