# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Probe of what an EVM adapter must carry
@notice Used by the adapter's tests only.
"""

event Put:
    who: indexed(address)
    key: indexed(uint256)
    amount: int256


event Note:
    text: String[16]
    pair: Pair


struct Pair:
    amount: uint256
    delta: int128


interface Callback:
    def on_call(): nonpayable


ORIGINAL: immutable(uint256)
values: public(HashMap[uint256, int256])
count: uint256
marks: transient(uint256)


@deploy
@payable
def __init__(original: uint256):
    if original == 0:
        raw_revert(abi_encode(original, msg.sender, method_id=method_id("BadN(uint256,address)")))
    ORIGINAL = original


@external
def put(key: uint256, amount: int256):
    self.values[key] = amount
    log Put(who=msg.sender, key=key, amount=amount)


@external
def put_next(amount: int256):
    self.count += 1
    log Put(who=msg.sender, key=self.count, amount=amount)


@external
def put_small(small: uint16, delta: int24, flag: bool, who: address, tag: bytes4) -> int256:
    self.values[convert(small, uint256)] = convert(delta, int256)
    return convert(delta, int256)


@external
def put_many(pairs: DynArray[Pair, 4], text: String[16] = "many") -> uint256:
    total: uint256 = 0
    for pair: Pair in pairs:
        total += pair.amount
        log Note(text=text, pair=pair)
    return total


@external
def mark() -> uint256:
    self.marks += 1
    return self.marks


@external
@view
def pair() -> Pair:
    return Pair(amount=ORIGINAL, delta=-5)


@external
@view
def context() -> (uint256, uint256, uint256, address, address):
    return block.timestamp, block.number, chain.id, msg.sender, tx.origin


@external
@view
def code_size(who: address) -> uint256:
    return who.codesize


@external
@pure
def spin(rounds: uint256) -> uint256:
    x: uint256 = 1
    for i: uint256 in range(rounds, bound=100_000):
        x = unsafe_add(unsafe_mul(x, 6364136223846793005), i)  # wraps on purpose
    return x


@external
def fail_with(amount: uint256):
    raw_revert(abi_encode(amount, method_id=method_id("TooBig(uint256)")))


@external
def fail_bare_selector():
    raw_revert(method_id("Bare()"))


@external
def fail_with_text():
    raise "hello"


@external
def fail_bare():
    raise


@external
def fail_if_coded(amount: uint256):
    """Reverts for senders without code only: a forwarder in the sender's place hides it."""
    if msg.sender.codesize == 0:
        raw_revert(abi_encode(amount, method_id=method_id("TooBig(uint256)")))


@external
def halt():
    raise UNREACHABLE


@external
@payable
def pay():
    pass


@external
def pay_back():
    send(msg.sender, self.balance)


@external
def enter(who: address):
    extcall Callback(who).on_call()


@external
def on_call():
    self.values[1] += 1


@external
@reentrant
def relay(who: address, calls: DynArray[Bytes[128], 2]):
    """Calls `who` in order, passing on what it reverts with."""
    for data: Bytes[128] in calls:
        success: bool = False
        reply: Bytes[128] = b""
        success, reply = raw_call(who, data, max_outsize=128, revert_on_failure=False)
        if not success:
            raw_revert(reply)


@external
@view
def fail_if(key: uint256, amount: int256):
    """Reverts with the value where it is the one named."""
    if self.values[key] == amount:
        raw_revert(abi_encode(convert(amount, uint256), method_id=method_id("TooBig(uint256)")))


@external
@reentrant
def run_code_of(who: address, data: Bytes[128]):
    """Runs the code of `who` on this storage, passing on what it reverts with."""
    success: bool = False
    reply: Bytes[128] = b""
    success, reply = raw_call(
        who, data, max_outsize=128, is_delegate_call=True, revert_on_failure=False
    )
    if not success:
        raw_revert(reply)
    assert len(reply) % 32 == 0
