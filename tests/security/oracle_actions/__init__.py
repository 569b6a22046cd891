"""Every action there is on the stage of oracle_stage.py, one call each."""

from tests.security.oracle_actions import accounts, liquidation

ACTIONS = accounts.ACTIONS | liquidation.ACTIONS
