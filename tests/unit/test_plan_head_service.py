"""The labels that the head's Service selects by: those of the existing head, and of no other pod."""

from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from rayfleet.api.names import HEAD_SELECTOR, Label
from rayfleet.kinds.raycluster.manifests import head_pod, head_service
from rayfleet.kinds.raycluster.plan import CreatePod, CreateService, Plan, SelectHead, plan
from rayfleet.kinds.raycluster.snapshot import Snapshot
from rayfleet.kube.objects.pods import Pod
from rayfleet.kube.objects.roots import Root
from support.builders import cluster, group, head, parsed, service, snapshot, spec

USUAL = {
    Label.CLUSTER: "demo",
    Label.NODE_TYPE: "head",
    Label.IDENTIFIER: "demo-head",
    Label.APP_NAME: "kuberay",
    Label.CREATED_BY: "kuberay-operator",
}
UID = {Label.CLUSTER_UID: cluster().uid}
MINE = USUAL | {Label.APP_NAME: "mine"}
ASIDE = {Label.NODE_TYPE: "aside"}
ANY = {Label.IDENTIFIER: "any"}
NO_WORKERS = spec(group(replicas=0))


def labelled(pod: Pod, labels: Mapping[str, str | None]) -> Pod:
    return replace(pod, labels=tuple((key, text) for key, text in labels.items() if text is not None))


def scene(
    of: Root, selector: dict[str, str], labels: Mapping[str, str | None], *rivals: Pod, **changes: Any
) -> Snapshot:
    """A running head with such labels, and its Service."""
    there = replace(service(of), selector=tuple(selector.items()))
    pods = [labelled(head(of, **changes), labels)]
    return snapshot(of, pods, services=(there,), rivals=rivals)


def selected(decided: Plan) -> dict[str, str] | None:
    """What the Service selects by afterwards; None if it stays as it is."""
    (action,) = decided.actions or (None,)
    return dict(action.selector) if isinstance(action, SelectHead) else None


def rival(labels: Mapping[str, str | None], **changes: Any) -> Pod:
    """A head that an earlier cluster of the same name has left."""
    earlier = cluster(NO_WORKERS, uid="an-earlier-one")
    return labelled(head(earlier, owner=None, **changes), labels)


def made(decided: Plan) -> tuple[dict[str, str], dict[str, str]]:
    """The selector of the created Service and the labels of the created head."""
    actions = decided.actions
    (body,) = [action.body for action in actions if isinstance(action, CreateService)]
    (pod,) = [action.body for action in actions if isinstance(action, CreatePod)]
    return body["spec"]["selector"], pod["metadata"]["labels"]


@pytest.mark.parametrize(
    ("labels", "selector"),
    [
        pytest.param(USUAL, None, id="unchanged"),
        pytest.param(MINE, MINE, id="a label of the user's"),
        pytest.param(
            USUAL | {Label.CREATED_BY: None},
            {key: text for key, text in USUAL.items() if key != Label.CREATED_BY},
            id="a label taken off",
        ),
        pytest.param(USUAL | ASIDE, USUAL | ASIDE, id="set aside"),
        pytest.param(USUAL | ASIDE | ANY, None, id="not distinct from workers"),
        pytest.param(
            USUAL | UID | ASIDE | ANY, USUAL | UID | ASIDE | ANY, id="distinct from them by the uid"
        ),
        pytest.param(USUAL | {Label.CLUSTER: "other"}, None, id="given to another cluster"),
        pytest.param({}, None, id="unknown labels"),
    ],
)
def test_the_service_follows_the_labels_of_the_existing_head(
    labels: Mapping[str, str | None], selector: dict[str, str] | None
) -> None:
    """It never selects by labels that another cluster's head has as well."""
    assert selected(plan(scene(cluster(NO_WORKERS), USUAL, labels))) == selector


def test_a_changed_spec_changes_nothing_until_its_head_exists() -> None:
    """Labels of a template apply to new pods, and until then the Service must select the old head."""
    template = {"metadata": {"labels": {Label.APP_NAME: "mine"}}, **NO_WORKERS["headGroupSpec"]["template"]}
    changed = {**NO_WORKERS, "headGroupSpec": {"template": template, "labels": {Label.CREATED_BY: "me"}}}
    of = cluster(changed)
    assert plan(scene(of, USUAL, USUAL)).actions == ()
    body = head_pod(of, parsed(of.spec), 1).body
    labels = {key: body["metadata"]["labels"][key] for key in HEAD_SELECTOR}
    assert selected(plan(scene(of, USUAL, labels, head_epoch=1))) == labels
    assert labels == head_service(of, parsed(of.spec))["spec"]["selector"]


def test_a_service_that_is_recreated_leads_to_the_existing_head() -> None:
    """The current spec does not matter."""
    of = cluster(NO_WORKERS)
    pod = labelled(head(of), USUAL | {Label.APP_NAME: "before"})
    (action,) = plan(snapshot(of, [pod], with_service=False)).actions
    assert isinstance(action, CreateService)
    assert action.body["spec"]["selector"] == USUAL | {Label.APP_NAME: "before"}


def test_the_service_of_a_new_cluster_does_not_select_the_head_of_an_earlier_one() -> None:
    """The earlier one was deleted without its pods, and the new one has its name."""
    of = cluster(NO_WORKERS)
    selector, labels = made(plan(snapshot(of, with_service=False, rivals=(rival(USUAL),))))
    assert selector == USUAL | UID
    assert selector.items() <= labels.items()


@pytest.mark.parametrize(
    "other",
    [
        rival({**USUAL, Label.APP_NAME: "another"}),
        rival({**USUAL, Label.CLUSTER: "another"}),
        rival({}),
    ],
)
def test_without_such_a_head_the_selector_is_that_of_kuberay(other: Pod) -> None:
    """If KubeRay takes over, it leaves the Service as it is, and its heads have only these labels."""
    for rivals in ((), (other,)):
        selector, labels = made(plan(snapshot(cluster(NO_WORKERS), with_service=False, rivals=rivals)))
        assert selector == USUAL
        assert Label.CLUSTER_UID not in labels


def test_a_selector_is_narrowed_beside_a_terminating_old_head_and_widened_afterwards() -> None:
    of = cluster(NO_WORKERS)
    old = rival(USUAL, deleting=True)
    assert selected(plan(scene(of, USUAL, USUAL | UID, old))) == USUAL | UID
    assert selected(plan(scene(of, USUAL | UID, USUAL | UID))) is None, "it stays while it is correct"
    assert selected(plan(scene(of, USUAL | UID, USUAL))) == USUAL, "the next head has no such label"
    assert selected(plan(scene(of, USUAL, USUAL, old))) is None, "nothing tells them apart"
