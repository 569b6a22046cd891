# pragma version 0.4.3
"""
@title SliceTaker
@license AGPL-3.0-only
@notice A bidder's contract that can be told what to do in the middle of its bid: call anything, bring tokens,
        fail. Anyone may tell it. For tests.
"""
from contracts.interfaces import ISliceTaker

implements: ISliceTaker


interface Auction:
    def bid_with_callback(
        account: uint256,
        bidder: uint256,
        auction_id: uint256,
        max_fraction: uint256,
        cost_limit: int256,
        deadline: uint256,
    ) -> int256: nonpayable


interface Token:
    def approve(spender: address, amount: uint256) -> bool: nonpayable


target: public(address)
data: public(Bytes[4096])
brings: public(uint256)  # token units
fails: public(bool)
calls: public(uint256)
success: public(bool)  # of the call inside
answer: public(Bytes[352])
seen: public(uint256[6])  # arguments of the last on_slice
caller: public(address)


@external
def tell(target: address, data: Bytes[4096]):
    """
    @notice What to call from now on; nothing where the target is zero.
    """
    self.target = target
    self.data = data


@external
def bring(amount: uint256, fails: bool):
    """
    @notice What to bring, and whether to fail instead.
    """
    self.brings = amount
    self.fails = fails


@external
def allow(token: address, spender: address):
    """
    @notice Approves without bound.
    """
    extcall Token(token).approve(spender, max_value(uint256))


@external
def take(auction: address, account: uint256, bidder: uint256, fraction: uint256) -> int256:
    """
    @notice Bids.
    """
    return extcall Auction(auction).bid_with_callback(
        account, bidder, 0, fraction, max_value(int256), max_value(uint256)
    )


@external
def on_slice(
    account: uint256,
    bidder: uint256,
    fraction: uint256,
    moved: int256,
    paid: uint256,
    from_fund: uint256,
) -> uint256:
    """
    @notice Does what it was told.
    """
    self.calls += 1
    self.caller = msg.sender
    self.seen = [account, bidder, fraction, convert(abs(moved), uint256), paid, from_fund]
    assert not self.fails
    if self.target != empty(address):
        self.success, self.answer = raw_call(
            self.target, self.data, max_outsize=352, revert_on_failure=False
        )
    return self.brings
