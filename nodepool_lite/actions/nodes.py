"""Carrying a node from its record to ready, one step at a time, each restartable from the record alone."""

from collections.abc import Mapping
from contextlib import suppress

from nodepool_lite.access.keys import cloud_config, new_host_key
from nodepool_lite.actions.context import DONE, Again, Context, Outcome
from nodepool_lite.actions.failures import fail_node
from nodepool_lite.actions.verifying import CHECK_PAUSE, CHECK_TRIES, verify_node
from nodepool_lite.clouds.driver import ServerSpec
from nodepool_lite.clouds.userdata import combined, is_combinable
from nodepool_lite.config.settings import CloudImage, PoolLabel, Provider, ProviderImage, ProviderPool
from nodepool_lite.model.errors import (
    AccessError,
    BadRequestError,
    CapacityError,
    CloudError,
    HostKeyMismatchError,
    StoreConflictError,
    TryAgainLaterError,
    VerifyError,
)
from nodepool_lite.model.image import Build
from nodepool_lite.model.node import Node, NodeState, ScriptRun
from nodepool_lite.plan.actions import (
    CheckNode,
    CreateServer,
    DeleteAlien,
    DeleteServer,
    FailNode,
    GiveAddress,
    MarkBooted,
    NodeAction,
    TestLogin,
)
from nodepool_lite.plan.backoff import Wait

LOGIN_RETRY = 0.5
"""Seconds between two attempts to log in to a node that is booting."""
ADDRESS_PAUSE = 2.0
"""Seconds until an address is asked for again that was asked for and is not seen."""


def current(ctx: Context, action: NodeAction) -> Node | None:
    """Return the node, if its record is still the one that the action was decided on."""
    node = ctx.store.find(Node, action.node)
    return node if node is not None and node.version == action.version else None


def create_server(ctx: Context, action: CreateServer) -> Outcome:
    """Record that the cloud is being asked, with a fresh mark and host key, and then ask it."""
    node = current(ctx, action)
    if node is None:
        return DONE
    provider, pool, settings = _settings(ctx, node)
    driver = ctx.driver(node.provider)
    injected = driver.injects_host_key and pool.host_key_checking and _takes_host_key(ctx, node, provider, settings)
    host_key = new_host_key() if injected else None
    hostname = node.hostname or hostname_of(provider, node)
    node = ctx.store.update(
        node.but(
            attempt=ctx.new_attempt(),
            asked=ctx.clock.now(),
            tries=node.tries + 1,
            hostname=hostname,
            host_key=None if host_key is None else host_key.public,
            host_key_source="" if host_key is None else "injected",
        )
    )
    user_data = combined("" if host_key is None else cloud_config(hostname, host_key), settings.userdata)
    try:
        server_id = driver.create_server(_spec(ctx, node, provider, settings, user_data))
    except TryAgainLaterError as error:
        _remember(ctx, node, error)
        return DONE if error.retry_after is None else Again(error.retry_after, str(error))
    except CapacityError as error:
        fail_node(ctx, node, str(error), wait=Wait.FOR_ROOM)
        return DONE
    except CloudError as error:
        fail_node(ctx, node, str(error), wait=Wait.AT_ONCE)
        return DONE
    finally:
        ctx.sightings.answer(node.id, ctx.clock.now())
        ctx.sightings.look_again(node.provider, ctx.clock.now())
    ctx.log.info("server.asked", node=node.id, label=node.label, provider=node.provider, server=server_id)
    return DONE


def give_address(ctx: Context, action: GiveAddress) -> Outcome:
    """Have the cloud give the node's server an address; the next list shows it."""
    node = current(ctx, action)
    if node is None:
        return DONE
    try:
        ctx.driver(action.provider).give_address(action.server)
    except CapacityError as error:
        fail_node(ctx, node, str(error), wait=Wait.FOR_ROOM)
    except BadRequestError as error:
        fail_node(ctx, node, str(error), wait=Wait.AT_ONCE)
    except TryAgainLaterError as error:
        _remember(ctx, node, error)
        raise
    finally:
        ctx.sightings.look_again(action.provider, ctx.clock.now())
    return Again(ADDRESS_PAUSE, "the address was asked for")


def mark_booted(ctx: Context, action: MarkBooted) -> Outcome:
    """Record the server and its address, and go on to testing."""
    node = current(ctx, action)
    cloud = ctx.sightings.clouds().get(node.provider) if node is not None else None
    server = cloud.servers.get(action.server) if cloud is not None else None
    if node is None or server is None:
        return DONE
    now = ctx.clock.now()
    ctx.store.update(
        node.to(
            NodeState.TESTING,
            now,
            f"server {server.id} runs",
            server_id=server.id,
            address=server.address,
            port=server.port,
            private_address=server.private_address,
            az=server.az,
        )
    )
    ctx.log.info("node.booted", node=node.id, server=server.id, seconds=round(now - (node.asked or now), 3))
    return DONE


def test_login(ctx: Context, action: TestLogin) -> Outcome:
    """Log in; the first success takes the node to preparing, with its ready-script already on record."""
    node = current(ctx, action)
    if node is None:
        return DONE
    try:
        host_key = ctx.reach(node).login(node)
    except HostKeyMismatchError as error:
        fail_node(ctx, node, str(error))
        return DONE
    except AccessError as error:
        ctx.notes[node.id] = str(error)
        return Again(LOGIN_RETRY, str(error))
    now = ctx.clock.now()
    label = ctx.config().label(node.label)
    script = None
    if label is not None and label.ready_script:
        script = ScriptRun(name=label.ready_script, run_id=f"{node.id}-1", started=now)
    changes: Mapping[str, object] = {"script": script}
    if node.host_key is None:
        changes = {**changes, "host_key": host_key, "host_key_source": "first-contact"}
    how = "logged in over SSH" if ctx.reach(node) is ctx.ssh else "no login was tried (`login-test: false`)"
    ctx.store.update(node.to(NodeState.PREPARING, now, how, **changes))
    ctx.notes.pop(node.id, None)
    ctx.log.info("node.reachable", node=node.id, seconds=round(now - node.state_since, 3))
    return DONE


def check_node(ctx: Context, action: CheckNode) -> Outcome:
    """Log in to a ready node and verify it; one that fails that several times in a row is given up and replaced."""
    node = current(ctx, action)
    if node is None:
        return DONE
    try:
        ctx.reach(node).login(node)
        verify_node(ctx, node)
    except AccessError as error:
        tries = int(ctx.notes.get(f"check {node.id}", "0")) + 1
        ctx.notes[f"check {node.id}"] = str(tries)
        if not isinstance(error, VerifyError):  # the cloud may know why, and knows it at once
            ctx.sightings.look_again(node.provider, ctx.clock.now())
        if tries < CHECK_TRIES and not isinstance(error, HostKeyMismatchError):
            return Again(CHECK_PAUSE, str(error))
        ctx.notes.pop(f"check {node.id}", None)
        failed = "it failed its check" if isinstance(error, VerifyError) else "it did not answer the check"
        fail_node(ctx, node, f"{failed}: {error}", counts=False)
        return DONE
    ctx.notes.pop(f"check {node.id}", None)
    ctx.sightings.login(node.id, ctx.clock.now())
    return DONE


def delete_server(ctx: Context, action: DeleteServer) -> Outcome:
    """Ask for the server's end; the next list tells whether it is gone."""
    node = current(ctx, action)
    if node is None:
        return DONE
    ctx.reach(node).forget(node.id)
    try:
        return _delete(ctx, node.provider, action.server)
    except CloudError as error:
        _remember(ctx, node, error)
        raise


def delete_alien(ctx: Context, action: DeleteAlien) -> Outcome:
    """Remove a server that carries our mark and that no record knows."""
    ctx.log.warning("server.alien", provider=action.provider, server=action.server, reason=action.why)
    return _delete(ctx, action.provider, action.server)


def hostname_of(provider: Provider, node: Node) -> str:
    """Return the host name of a node: `hostname-format` filled in, made safe for DNS (RFC 1123, 2.1)."""
    form = provider.hostname_format.replace("{node.id}", "{node_id}").replace(".name}", "}")
    text = form.format(label=node.made_as, node_id=node.id, provider=provider.name)
    safe = "".join(char if char.isascii() and char.isalnum() else "-" for char in text.lower())
    return safe.strip("-")[:63].rstrip("-") or f"node-{node.id}"


def _delete(ctx: Context, provider: str, server: str) -> Outcome:
    try:
        ctx.driver(provider).delete_server(server)
        ctx.sightings.asked_end(provider, server, ctx.clock.now())
    finally:
        ctx.sightings.look_again(provider, ctx.clock.now())
    ctx.log.info("server.deleted", provider=provider, server=server)
    return DONE


def _remember(ctx: Context, node: Node, error: CloudError) -> None:
    """Put into the node's history what makes it wait, unless that is what it says already."""
    ctx.notes[node.id] = str(error)
    if not node.history or node.history[-1].reason != str(error):
        with suppress(StoreConflictError):  # somebody changed the node meanwhile: that matters more
            ctx.store.update(node.noted(ctx.clock.now(), str(error)))


def _takes_host_key(ctx: Context, node: Node, provider: Provider, settings: PoolLabel) -> bool:
    """Tell whether the node's server takes the host key that we make: by its image, its config drive and user data."""
    build = ctx.store.find(Build, node.build)
    takes = build is None or build.takes_host_key
    return takes and _config_drive(provider, settings) and is_combinable(settings.userdata)


def _config_drive(provider: Provider, settings: PoolLabel) -> bool:
    images: tuple[ProviderImage | CloudImage, ...] = (*provider.diskimages, *provider.cloud_images)
    wanted = settings.diskimage or settings.cloud_image
    return next((image.config_drive for image in images if image.name == wanted), True)


def _spec(ctx: Context, node: Node, provider: Provider, settings: PoolLabel, user_data: str) -> ServerSpec:
    return ServerSpec(
        pool_id=ctx.pool_id,
        node_id=node.id,
        attempt=node.attempt,
        name=node.hostname,
        label=node.made_as,
        generation=node.generation,
        image_id=node.image_id,
        pool=node.pool,
        cores=settings.cores,
        ram=settings.min_ram,
        disk=settings.disk,
        user_data=user_data,
        settings=settings.plain(),
        set_id=node.set_id if node.subnodes or node.primary is not None else "",
        config_drive=_config_drive(provider, settings),
    )


def _settings(ctx: Context, node: Node) -> tuple[Provider, ProviderPool, PoolLabel]:
    """Return the configuration that a node is made by; raises BadRequestError when it is not there any more."""
    provider = ctx.config().provider(node.provider)
    if provider is not None:
        for pool in provider.pools:
            settings = pool.settings(node.made_as) if pool.name == node.pool else None
            if settings is not None and not settings.is_set:
                return provider, pool, settings
    raise BadRequestError(f"provider {node.provider} is no longer configured to make label {node.made_as}")


def fail(ctx: Context, action: FailNode) -> Outcome:
    """Record that a node failed, with the latest trouble on the way as part of the reason."""
    node = current(ctx, action)
    if node is None:
        return DONE
    note = ctx.notes.get(node.id, "")
    reason = f"{action.why}: {note}" if note and note not in action.why else action.why
    fail_node(ctx, node, reason, counts=action.counts, wait=action.wait)
    return DONE
