// SPDX-License-Identifier: AGPL-3.0-only
pragma solidity ^0.8.0;

import "@pythnetwork/pyth-sdk-solidity/MockPyth.sol";

/// Pyth's own mock as it is, under a name that the compiler's caller can ask for. For tests.
contract PythMock is MockPyth {
    constructor(uint validTimePeriod, uint fee) MockPyth(validTimePeriod, fee) {}
}
