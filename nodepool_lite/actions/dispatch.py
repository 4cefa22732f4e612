"""Which function carries out which action, and what happens when one fails."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from nodepool_lite.actions import images, nodes, prepare, providers, records, removals
from nodepool_lite.actions.context import DONE, Again, Context, Outcome
from nodepool_lite.model.errors import (
    GoneError,
    IllegalTransitionError,
    NodepoolError,
    StoreConflictError,
    StoreUnavailableError,
    TryAgainLaterError,
)
from nodepool_lite.plan import actions, image_actions
from nodepool_lite.plan.actions import Action

Executor = Callable[[Context, Any], Outcome]

EXECUTORS: Mapping[type[Action], Executor] = MappingProxyType(
    {
        actions.Launch: records.launch,
        actions.Retire: records.retire,
        actions.Grant: records.grant,
        actions.EndLease: records.end_lease,
        actions.SignLease: records.sign_lease,
        actions.ForgetLease: records.forget_lease,
        actions.ForgetBackoff: records.forget_backoff,
        actions.ForgetNode: records.forget_node,
        actions.DropServer: records.drop_server,
        image_actions.DropRequest: records.drop_request,
        actions.MarkBooted: nodes.mark_booted,
        actions.ListServers: providers.list_servers,
        actions.SweepLeftovers: providers.sweep_leftovers,
        actions.CreateServer: nodes.create_server,
        actions.GiveAddress: nodes.give_address,
        actions.TestLogin: nodes.test_login,
        actions.CheckNode: nodes.check_node,
        actions.DeleteServer: nodes.delete_server,
        actions.DeleteAlien: nodes.delete_alien,
        actions.FailNode: nodes.fail,
        actions.Prepare: prepare.prepare,
        image_actions.StartBuild: images.start_build,
        image_actions.StartUpload: images.start_upload,
        image_actions.FailBuild: removals.fail_build,
        image_actions.RetireBuild: removals.retire_build,
        image_actions.DeleteBuild: removals.delete_build,
        image_actions.FailUpload: removals.fail_upload,
        image_actions.RetireUpload: removals.retire_upload,
        image_actions.DeleteUpload: removals.delete_upload,
        actions.ListImages: removals.list_images,
        image_actions.DeleteAlienImage: removals.delete_alien_image,
    }
)
"""Every kind of action, and the one function that carries it out."""


def carry_out(ctx: Context, action: Action) -> Outcome:
    """Carry out one action and return its outcome; never raises.

    A lost race is no failure: the next plan starts from what is recorded by then.
    """
    try:
        return EXECUTORS[type(action)](ctx, action)
    except (StoreConflictError, IllegalTransitionError, GoneError):
        return DONE
    except StoreUnavailableError as error:
        return Again(1.0, str(error))
    except TryAgainLaterError as error:
        return Again(error.retry_after or 5.0, str(error))
    except (NodepoolError, OSError) as error:  # OSError: this host's disk is full, or a file is not ours to touch
        ctx.log.warning("action.failed", action=type(action).__name__, key=action.key, reason=str(error))
        return Again(30.0, str(error))
    except Exception as error:  # the loop's edge: logged once with its traceback, and the loop goes on
        ctx.log.exception("action.crashed", action=type(action).__name__, key=action.key)
        return Again(60.0, f"internal error: {error}")
