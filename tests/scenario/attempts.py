"""What a schemer tries over and over: to take out all that may leave, to trade until refused."""

from __future__ import annotations

from plimsoll.evm import Reverted
from tests.stage import TOK, TOKEN, cash


def take_all(house, who):
    """Withdraws the most that the engine lets go, to a USD; returns token units."""
    low, high = 0, max(cash(house, who.id), 0) // TOK
    while high - low > TOKEN:
        middle = (low + high) // 2
        try:
            house.engine.withdraw.call(who.id, middle, who, sender=who)
            low = middle
        except Reverted:
            high = middle
    if low:
        house.engine.withdraw(who.id, low, who, sender=who)
    return low


def settles(house, one):
    """Whether a fill passes the health check, the only thing that may stop it here."""
    try:
        house.settle([one])
    except Reverted as exc:
        if exc.name != "HealthFell":
            raise
        return False
    return True
