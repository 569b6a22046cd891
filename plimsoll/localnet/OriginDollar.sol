// SPDX-License-Identifier: AGPL-3.0-only
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

contract OriginDollar is ERC20("Origin Dollar", "USD") {
    constructor(address holder, uint256 supply) { _mint(holder, supply); }
    function decimals() public pure override returns (uint8) { return 6; }
}
