"""Local chains: Anvil processes, the origin chain built from third-party parts, and forks of it.

    from plimsoll.localnet.fork import fork_chain
    from plimsoll.localnet.origin import start_origin

    with start_origin() as origin, fork_chain(origin.url, origin.block) as fork:
        fork.rpc.block_number()

Nothing is imported here, so that `anvil` and `rpc` stay quick to import (no web3, no eth_account).
"""
