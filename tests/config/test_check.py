"""Names in a file that lead nowhere, or stand twice."""

from collections.abc import Callable

import pytest

from tests.config.conftest import BASE

Told = Callable[..., list[str]]


def test_a_file_that_is_right_has_no_problems(told: Told) -> None:
    """Nothing is said about a file in which every name leads to something."""
    assert told(BASE) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "  - name: debian-12\n    min-ready: 1",
            "  - name: debian-12\n  - name: other",
            "6:11: no provider makes the label `other`; add it to the `labels` of a provider's pool, or take it out",
        ),
        ("  - name: debian-12\n            d", "  - name: debian\n            d", "did you mean `debian-12`?"),
        (
            "diskimage: debian-12",
            "diskimage: debain-12",
            "13:24: unknown diskimage `debain-12`; did you mean `debian-12`?",
        ),
        ("diskimage: debian-12", "cloud-image: x", "13:26: unknown cloud-image `x`; the provider has no cloud-images"),
        (
            "            diskimage: debian-12",
            "            cores: 1",
            "12:13: a label in a pool needs `diskimage` or `cloud-image`; there is neither",
        ),
        (
            "            diskimage: debian-12",
            "            diskimage: debian-12\n            cloud-image: x",
            "12:13: a label in a pool needs `diskimage` or `cloud-image`; there is both",
        ),
        ("vm]", "vm]\n    parent: debain", "4:13: unknown parent diskimage `debain`"),
        ("vm]", "vm]\n    parent: debian-12", "cannot be its own ancestor: debian-12 -> debian-12"),
        ("vm]", "vm]\n    abstract: true", "the diskimage `debian-12` is abstract; name one that has it as"),
        ("vm]", "vm]\n  - name: debian-12", "4:11: a second diskimage `debian-12`; the first is in line 2"),
        (
            "min-ready: 1",
            "min-ready: 1\n  - name: debian-12",
            "7:11: a second label `debian-12`; the first is in line 5",
        ),
        (
            "providers:",
            "providers:\n  - {name: local, driver: qemu}",
            "9:11: a second provider `local`; the first is in line 8",
        ),
        ("    pools:", "    pools:\n      - name: main", "12:9: a second pool `main`; the first is in line 11"),
        ("driver: qemu", "driver: qemu\n    diskimages: [{name: x}]", "10:25: unknown diskimage `x`"),
        (
            "driver: qemu",
            "driver: openstack",
            "8:11: the provider `local` has no `cloud`; name an entry of clouds.yaml",
        ),
        (
            "driver: qemu",
            "driver: qemu\n    hostname-format: '{lable}'",
            "unknown placeholder {lable}; known: {label},",
        ),
        ("driver: qemu", "driver: qemu\n    hostname-format: '{label'", "`{label`: expected '}' before end of string"),
        (
            "driver: qemu",
            "driver: qemu\n    image-type: qcow",
            "10:17: warning: unknown image format `qcow`; did you mean",
        ),
        (
            "    pools:\n      - labels:",
            "    pools:\n      - max-servers: 0\n        labels:",
            "6:16: warning: 1 servers are to be kept ready, and the pools of this label allow 0; raise `max-servers`",
        ),
        (
            "min-ready: 1",
            "ready-script: ../x.sh",
            "expected the name of a file, without a directory, control characters or a dot in front, not `../x.sh`",
        ),
        ("min-ready: 1", "ready-script: helo.sh", "`helo.sh` is not in `scripts-dir`; did you mean `hello.sh`?"),
        ("min-ready: 1", "ready-script: in-image.sh", "it has to be in the image, under /opt/nodepool-scripts"),
        ("vm]", "vmm]", "3:32: warning: the element `vmm` is not found on this host; did you mean `vm`?"),
        ("diskimages:", "check-cron: '* * *'\ndiskimages:", "1:13: expected a cron expression of five fields"),
        ("diskimages:", "cleanup-cron: '61 * * * *'\ndiskimages:", "1:15: expected a cron expression of five fields"),
        ("diskimages:", "elements-dir: /nowhere\ndiskimages:", "1:15: warning: `elements-dir`: there is no directory"),
        (
            "driver: qemu",
            "driver: qemu\n    diskimages: [{name: debian-12, meta: {a: 1, b: 2, c: 3, d: 4, e: 5, f: 6}}]",
            "10:42: `meta`: expected at most 5 keys, not 6",
        ),
        (
            "driver: qemu",
            "cloud: c\n    diskimages: [{name: debian-12, meta: {visibility: privat}}]",
            "10:55: `meta`: unknown visibility `privat`; did you mean `private`?",
        ),
        (
            "driver: qemu",
            "cloud: c\n    diskimages: [{name: debian-12, meta: {disk_format: raw}}]",
            "10:43: `meta`: `disk_format` cannot be chosen: every image is given its own",
        ),
        ("vm]", "vm]\n    metadata: {nodepool_build: 3}", "4:16: `metadata`: `nodepool_build` cannot be chosen"),
    ],
)
def test_a_name_that_leads_nowhere_is_told_with_what_was_meant(told: Told, old: str, new: str, message: str) -> None:
    """Each reference is checked, and the nearest name suggested."""
    assert old in BASE
    assert any(message in line for line in told(BASE.replace(old, new, 1))), told(BASE.replace(old, new, 1))


def test_keys_that_the_driver_has_no_use_for_are_named(told: Told) -> None:
    """What only a cloud has is a notice under a qemu provider, and the other way round."""
    keys = BASE.replace("driver: qemu", "driver: qemu\n    rate: 1").replace(
        "- labels:", "- networks: [n]\n        labels:"
    )
    keys = keys.replace("            diskimage: debian-12", "            diskimage: debian-12\n            cores: 2")
    unused = "the {} driver has no use for it"
    assert told(keys) == [
        f"10:5: notice: ignored: `rate`; {unused.format('qemu')}",
        f"12:9: notice: ignored: `networks`; {unused.format('qemu')}",
    ]
    assert told(keys.replace("driver: qemu", "cloud: c")) == [
        f"16:13: notice: ignored: `cores`; {unused.format('openstack')}"
    ]


def test_every_key_of_an_image_that_only_a_cloud_uses_is_named(told: Told) -> None:
    """A qemu provider has neither properties nor a choice of ports, and no upload that could take long."""
    keys = BASE.replace(
        "driver: qemu",
        "driver: qemu\n"
        "    image-upload-timeout: 1h\n"
        "    diskimages: [{name: debian-12, meta: {a: b}}]\n"
        "    cloud-images: [{name: c, connection-port: 23}]",
    )
    named = [each.partition("ignored: ")[2].partition(";")[0] for each in told(keys)]
    assert named == ["`image-upload-timeout`", "`meta`", "`connection-port`"]


def test_a_longer_loop_of_parents_is_told_on_each_of_them(told: Told) -> None:
    """A loop is shown from every diskimage in it, and one that only leads into it is not blamed."""
    text = """\
        diskimages:
          - {name: a, parent: b}
          - {name: b, parent: a}
          - {name: c, parent: a}
        """
    assert told(text) == [
        "2:23: a diskimage cannot be its own ancestor: a -> b -> a",
        "3:23: a diskimage cannot be its own ancestor: b -> a -> b",
    ]
