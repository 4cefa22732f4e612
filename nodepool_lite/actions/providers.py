"""Looking at a provider: its servers, its quota, whether it has what the settings name, and what was left behind."""

from collections.abc import Mapping
from dataclasses import dataclass

from nodepool_lite.actions.context import DONE, Context, Outcome
from nodepool_lite.actions.failures import backoff_write, paced
from nodepool_lite.clouds.driver import Driver, Need, Quota
from nodepool_lite.config.settings import Provider, ProviderPool
from nodepool_lite.model.errors import BadRequestError, CloudError
from nodepool_lite.model.pool import Backoff
from nodepool_lite.plan.actions import ListServers, SweepLeftovers
from nodepool_lite.plan.backoff import PROVIDER_FIRST, PROVIDER_LIMIT, grown
from nodepool_lite.plan.generation import config_source
from nodepool_lite.plan.room import never_fits

LOOK_AGAIN = 600.0
"""Seconds for which a label that cannot be made is left alone, unless a look at the names finds it mended before."""


def list_servers(ctx: Context, action: ListServers) -> Outcome:
    """Ask one provider for all our servers, and for its quota; whether it answers is on record."""
    asked = ctx.clock.now()
    provider = ctx.config().provider(action.provider)
    if provider is None:
        return DONE
    try:
        driver = ctx.driver(action.provider)
        servers = driver.list_servers()
        quota = driver.quota()
        needs = _needs(ctx, provider, driver, quota)
    except CloudError as error:
        _silent(ctx, provider, str(error))
        return paced(ctx, f"provider/{provider.name}", str(error))
    ctx.sightings.saw_servers(action.provider, servers, quota, asked, poll=driver.poll_interval, needs=needs)
    backoff = ctx.store.find(Backoff, f"provider/{action.provider}")
    if backoff is not None:
        ctx.store.delete(backoff)
        ctx.log.info("provider.answers", provider=action.provider)
    return DONE


def sweep_leftovers(ctx: Context, action: SweepLeftovers) -> Outcome:
    """Remove what came with servers of ours that are gone."""
    began = ctx.clock.now()
    for removed in ctx.driver(action.provider).sweep_leftovers():
        ctx.log.warning("leftover.removed", provider=action.provider, removed=removed)
    ctx.sightings.swept(action.provider, began)
    return DONE


def _needs(ctx: Context, provider: Provider, driver: Driver, quota: Quota) -> Mapping[tuple[str, str], Need]:
    """Return what a server of each label takes; for a label that cannot be made, the reason is put on record."""
    found: dict[tuple[str, str], Need] = {}
    for pool in provider.pools:
        needs: dict[str, Need] = {}
        wrong: dict[str, str] = {}
        for label in (each for each in pool.labels if not each.is_set):
            try:
                needs[label.name] = driver.need(pool, label)
            except BadRequestError as error:
                wrong[label.name] = str(error)
        limits = Quota() if pool.ignore_provider_quota else quota
        for label in (each for each in pool.labels if each.name not in wrong):
            if why := _wrong_with_set(ctx, provider, _Look(pool, needs, wrong, limits), label.name):
                wrong[label.name] = why
        for label in pool.labels:
            if label.name in wrong:
                _impossible(ctx, provider, pool.name, label.name, wrong[label.name])
            else:
                _possible(ctx, provider, pool.name, label.name)
        found |= {(pool.name, name): need for name, need in needs.items()}
    return found


@dataclass(frozen=True)
class _Look:
    """What was seen of one pool."""

    pool: ProviderPool
    needs: Mapping[str, Need]
    wrong: Mapping[str, str]
    """Label -> why it cannot be made."""
    quota: Quota


def _wrong_with_set(ctx: Context, provider: Provider, seen: _Look, name: str) -> str:
    """Return why a node set cannot be made: for one of its labels, or because the quota is too small for one set."""
    label = ctx.config().label(name)
    if label is None or label.size == 1:
        return ""
    members = [each.name for each in seen.pool.machines(label)]
    for member in members:
        if member in seen.wrong:
            return f"{member}, of which it is made: {seen.wrong[member]}"
    known = [seen.needs[member] for member in members if member in seen.needs]  # a reload may have made one a label
    return never_fits(seen.quota, provider.name, known)


def _impossible(ctx: Context, provider: Provider, pool: str, label: str, reason: str) -> None:
    """Record that a label cannot be made, before anybody tries."""
    source = config_source(ctx.config(), label, provider.name, pool)
    if source is None or source.backoff_id in ctx.store.snapshot().unreadable(Backoff):
        return
    now = ctx.clock.now()
    before = ctx.store.find(Backoff, source.backoff_id)
    after = Backoff(
        id=source.backoff_id,
        failures=1,
        error=reason,
        since=now,
        last=now,
        next_try=now + LOOK_AGAIN,
        fingerprint=source.fingerprint,
        looked=True,
    )
    if before is None:
        ctx.store.create(after)
        ctx.log.warning("label.impossible", label=label, provider=provider.name, reason=reason)
    elif (before.error, before.fingerprint) != (reason, source.fingerprint) or before.next_try < now + LOOK_AGAIN / 2:
        ctx.store.update(after.but(version=before.version, order=before.order, since=before.since))


def _possible(ctx: Context, provider: Provider, pool: str, label: str) -> None:
    """Forget what an earlier look found wrong; what a launch found out stays."""
    source = config_source(ctx.config(), label, provider.name, pool)
    backoff = None if source is None else ctx.store.find(Backoff, source.backoff_id)
    if source is not None and backoff is not None and backoff.looked and backoff.fingerprint == source.fingerprint:
        ctx.store.delete(backoff)
        ctx.log.info("label.possible", label=label, provider=provider.name)


def _silent(ctx: Context, provider: Provider, reason: str) -> None:
    """Record that a provider does not answer, and when to try again."""
    name = f"provider/{provider.name}"
    before = ctx.store.find(Backoff, name)
    after = grown(
        before,
        name,
        reason,
        ctx.clock.now(),
        fingerprint=provider.fingerprint,
        first=PROVIDER_FIRST,
        limit=PROVIDER_LIMIT,
    )
    ctx.store.transact(backoff_write(ctx, before, after))
    if before is None:
        ctx.log.warning("provider.silent", provider=provider.name, reason=reason)
