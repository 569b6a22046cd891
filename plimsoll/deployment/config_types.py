"""What the configuration's models are made of: the base model and its checked field types."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from plimsoll.units import InexactError, to_units

ZERO = "0x" + "00" * 20


def _address(text: str) -> str:
    from eth_utils.address import is_address, to_checksum_address

    if not is_address(text):
        raise ValueError(f"expected an address of 20 bytes in hex, got {text!r}")
    return str(to_checksum_address(text))


def _some(text: str) -> str:
    if int(text, 16) == 0:
        raise ValueError("expected an address that is not zero")
    return text


def _word(text: str) -> str:
    digits = text.removeprefix("0x")
    try:
        number = int(digits, 16) if len(digits) == 64 else 0
    except ValueError:
        number = 0
    if number == 0:
        raise ValueError(f"expected 32 bytes in hex that are not all zero, got {text!r}")
    return f"0x{number:064x}"


AnyAddress = Annotated[str, AfterValidator(_address)]
Address = Annotated[AnyAddress, AfterValidator(_some)]
Word = Annotated[str, AfterValidator(_word)]
Fraction = Annotated[Decimal, Field(ge=0)]
Bps = Annotated[int, Field(ge=0, le=10_000)]
Seconds = Annotated[int, Field(ge=0)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Conversion = tuple[str, Callable[[], object]]  # a key's path, and what converts what is under it


class Model(BaseModel):
    """Unknown keys are errors; nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def exact(self, key: str, exponent: int) -> int:
        """This key's value in units of 10**exponent; ValueError names the key."""
        try:
            return to_units(getattr(self, key), exponent)
        except InexactError as exc:
            raise ValueError(f"{key}: {exc}") from exc

    def percent(self, key: str, exponent: int) -> int:
        """A percentage as a fraction in units of 10**exponent."""
        return self.exact(key, exponent + 2)
