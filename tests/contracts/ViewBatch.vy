# pragma version 0.4.3
"""
@title ViewBatch
@license AGPL-3.0-only
@notice Many read-only calls in one: for the demonstration's checks, which read every account at
        every block. Holds nothing and may be called by anyone.
"""


@external
@view
def many(
    targets: DynArray[address, 200], calls: DynArray[Bytes[260], 200]
) -> DynArray[Bytes[1088], 200]:
    """
    @notice Each call's return data in order, at most 1,024 bytes, behind one byte: 1 it succeeded, 0 it
            reverted.
    @param targets Who is called, at most 200.
    @param calls Calldata, at most 260 bytes each; as many as targets.
    """
    assert len(targets) == len(calls)  # dev: lengths
    results: DynArray[Bytes[1088], 200] = []
    for i: uint256 in range(len(targets), bound=200):
        ok: bool = False
        data: Bytes[1024] = b""
        ok, data = raw_call(
            targets[i], calls[i], max_outsize=1024, is_static_call=True, revert_on_failure=False
        )
        flag: Bytes[1] = b"\x00"
        if ok:
            flag = b"\x01"
        results.append(concat(flag, data))
    return results
