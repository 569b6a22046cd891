# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title InsuranceFund
@license AGPL-3.0-only
@notice ERC-4626 shares over the margin engine's fund bucket. The money lies in the vault, the claim
        in the engine, here are the shares, the drip of income, the redemption queue's clock and the
        caps of what the auction may draw.

        What raises the bucket beyond deposits is income and drips in over a period, so nobody can
        buy in front of it; what lowers it beyond redemptions and the keepers' budget is a payout
        and eats undripped income first. The keepers' budget comes out of undripped income only. So
        the share price falls by payouts and by nothing else. Nobody takes money out by role.

        Shares have 12 decimals, six more than the token, for the virtual shares of fund_shares; and
        a raw transfer of tokens to any contract raises no bucket.

        Trust: the engine's bucket and its moves. Governance sets bounded terms and the auction.

        Shares are bought in fund_shares and redeemed in fund_redemptions, by fund_clock; fund_bucket follows the
        bucket and its drip, fund_payouts and fund_keepers take from it; fund_terms has what
        governance sets.
@custom:kill Let the auction be the zero address: payouts stop, redemptions go on.
"""

from ethereum.ercs import IERC20
from ethereum.ercs import IERC4626
from snekmate.auth import ownable
from snekmate.auth import ownable_2step
from snekmate.tokens import erc20
from contracts.interfaces import IInsuranceFund
from contracts.liquidation import fund_bucket
from contracts.liquidation import fund_clock
from contracts.liquidation import fund_keepers
from contracts.liquidation import fund_payouts
from contracts.liquidation import fund_redemptions
from contracts.liquidation import fund_shares
from contracts.liquidation import fund_terms
from contracts.modules import errors
from contracts.modules import governed

implements: IERC20
implements: IERC4626
implements: IInsuranceFund
# This order is the storage layout.
initializes: ownable
initializes: ownable_2step[ownable := ownable]
initializes: erc20[ownable := ownable]
initializes: governed[ownable := ownable]
initializes: fund_terms[governed := governed]
initializes: fund_bucket[
    fund_clock := fund_clock, fund_terms := fund_terms, governed := governed
]
initializes: fund_shares[erc20 := erc20, fund_bucket := fund_bucket]
initializes: fund_redemptions[
    erc20 := erc20,
    fund_bucket := fund_bucket,
    fund_clock := fund_clock,
    fund_shares := fund_shares,
    fund_terms := fund_terms,
]
initializes: fund_payouts[fund_bucket := fund_bucket, fund_terms := fund_terms]
initializes: fund_keepers[fund_bucket := fund_bucket, fund_terms := fund_terms]
initializes: fund_clock

exports: (
    # Ownership cannot be renounced.
    ownable_2step.owner,
    ownable_2step.pending_owner,
    ownable_2step.transfer_ownership,
    ownable_2step.accept_ownership,
    # Shares are minted and burnt by deposits and redemptions alone.
    erc20.name,
    erc20.symbol,
    erc20.decimals,
    erc20.totalSupply,
    erc20.balanceOf,
    erc20.allowance,
    erc20.transfer,
    erc20.transferFrom,
    erc20.approve,
    erc20.permit,
    erc20.nonces,
    erc20.DOMAIN_SEPARATOR,
    erc20.eip712Domain,
    # ERC-4626: worth and deposits
    fund_bucket.asset,
    fund_shares.totalAssets,
    fund_shares.convertToShares,
    fund_shares.convertToAssets,
    fund_shares.maxDeposit,
    fund_shares.previewDeposit,
    fund_shares.deposit,
    fund_shares.maxMint,
    fund_shares.previewMint,
    fund_shares.mint,
    # ERC-4626: redemptions
    fund_redemptions.request_redeem,
    fund_redemptions.cancel_request,
    fund_redemptions.request_of,
    fund_redemptions.maxWithdraw,
    fund_redemptions.previewWithdraw,
    fund_redemptions.withdraw,
    fund_redemptions.maxRedeem,
    fund_redemptions.previewRedeem,
    fund_redemptions.redeem,
    fund_clock.clock,
    # income and keepers
    fund_bucket.engine,
    fund_bucket.sponsor,
    fund_bucket.sync,
    fund_bucket.observe,
    fund_bucket.undripped,
    fund_keepers.fund_budget,
    # payouts: the auction draws
    fund_payouts.draw,
    fund_payouts.drawable,
    # terms: anyone reads, governance sets
    fund_terms.caps,
    fund_terms.auction,
    fund_terms.budget_target,
    fund_terms.budget_share,
    fund_terms.drip_period,
    fund_terms.cooldown,
    fund_terms.exit_window,
    fund_terms.deficit_tolerance,
    fund_terms.set_caps,
    fund_terms.set_auction,
    fund_terms.set_budget,
    fund_terms.set_cooldown,
    fund_bucket.set_tolerance,
    fund_bucket.set_drip,
)

SHARE_DECIMALS: constant(uint8) = 12


@deploy
def __init__(engine_: address, quote_token_: address, auction_: address, owner_: address):
    """
    @notice Terms start at: half the fund an event, 80 % a day, 60 % a market and day; a week's
            cooldown, two days' window; income drips over a week; keepers' budget up to 10,000 USD,
            5 % of the fund a day; redemptions wait for deficits above 0.5 % of the fund.
    @param engine_ The margin engine; it need not be deployed yet.
    @param quote_token_ The quote token, as in the vault: has code, else BadToken.
    @param auction_ Who may draw.
    @param owner_ Governance.
    """
    errors._require(engine_ != empty(address) and owner_ != empty(address), errors.NULL_ADDRESS)
    errors._require(quote_token_.is_contract, errors.BAD_TOKEN)
    ownable.__init__()
    ownable_2step.__init__()
    erc20.__init__(
        "Plimsoll Insurance Fund", "plINS", SHARE_DECIMALS, "Plimsoll Insurance Fund", "1"
    )
    ownable._transfer_ownership(owner_)
    fund_terms.__init__(auction_)
    fund_bucket.__init__(engine_, quote_token_)
