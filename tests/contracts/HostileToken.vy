# pragma version 0.4.3
"""
@title HostileToken
@license AGPL-3.0-only
@notice An ERC-20 that can be told to misbehave: take a fee from what arrives or on top of what
        leaves, rebase, answer false, call back into any contract while it moves, block holders,
        pause. Anyone may tell it. For tests.
"""

ONE: constant(uint256) = 10_000  # 1e-4

decimals: public(immutable(uint8))
totalSupply: public(uint256)  # before rebasing
allowance: public(HashMap[address, HashMap[address, uint256]])
blocked: public(HashMap[address, bool])
paused: public(bool)
fee: public(uint256)  # 1e-4 of an amount, kept from the receiver
surcharge: public(uint256)  # 1e-4 of an amount, taken from the sender on top
scale: public(uint256)  # 1e-4: a balance is its raw units * scale / ONE
answer: public(bool)  # what transfers return
inert: public(bool)  # transfers move nothing
callback_target: public(address)
callback_data: public(Bytes[4096])
callback_success: public(bool)  # outcome of the last callback
callback_answer: public(Bytes[64])
callbacks: public(uint256)  # callbacks made
_raw: HashMap[address, uint256]


@deploy
def __init__(decimals_: uint8):
    """
    @param decimals_ Decimals of the token.
    """
    decimals = decimals_
    self.scale = ONE
    self.answer = True


@external
def mint(owner: address, amount: uint256):
    """
    @notice Creates tokens (raw units). Anyone.
    """
    self._raw[owner] += amount
    self.totalSupply += amount


@external
def set_fee(fee: uint256, surcharge: uint256):
    """
    @notice Fees of the next transfers, 1e-4.
    """
    self.fee = fee
    self.surcharge = surcharge


@external
def rebase(scale: uint256):
    """
    @notice Multiplies every balance: 1e-4 of raw units.
    """
    self.scale = scale


@external
def set_answer(answer: bool, inert: bool):
    """
    @notice What transfers return, and whether they move nothing.
    """
    self.answer = answer
    self.inert = inert


@external
def set_blocked(owner: address, blocked: bool):
    """
    @notice Blocks a holder from sending and receiving.
    """
    self.blocked[owner] = blocked


@external
def set_paused(paused: bool):
    """
    @notice Stops every transfer.
    """
    self.paused = paused


@external
def set_callback(target: address, data: Bytes[4096]):
    """
    @notice What every transfer calls while it runs; the zero address: nothing.
    """
    self.callback_target = target
    self.callback_data = data


@external
@view
def balanceOf(owner: address) -> uint256:
    """
    @notice A balance, rebased.
    """
    return self._raw[owner] * self.scale // ONE


@external
def approve(spender: address, amount: uint256) -> bool:
    """
    @notice Sets an allowance.
    """
    self.allowance[msg.sender][spender] = amount
    return True


@external
def transfer(receiver: address, amount: uint256) -> bool:
    """
    @notice Moves the caller's tokens.
    """
    self._move(msg.sender, receiver, amount)
    return self.answer


@external
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
    """
    @notice Moves tokens within the caller's allowance.
    """
    self.allowance[sender][msg.sender] -= amount
    self._move(sender, receiver, amount)
    return self.answer


@internal
def _move(sender: address, receiver: address, amount: uint256):
    assert not self.paused  # dev: paused
    assert not (self.blocked[sender] or self.blocked[receiver])  # dev: blocked
    self._call_back()
    if self.inert:
        return
    raw: uint256 = amount * ONE // self.scale
    self._raw[sender] -= raw + raw * self.surcharge // ONE
    self._raw[receiver] += raw - raw * self.fee // ONE


@internal
def _call_back():
    if self.callback_target == empty(address):
        return
    self.callbacks += 1
    self.callback_success, self.callback_answer = raw_call(
        self.callback_target,
        self.callback_data,
        max_outsize=64,
        revert_on_failure=False,
    )
