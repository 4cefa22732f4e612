"""Files of Nodepool 0.3-0.5: translated, with each change named."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nodepool_lite.config.load import load, load_or_raise
from nodepool_lite.config.old_dialect import Dialect
from nodepool_lite.config.problem import Severity
from tests.config.conftest import DATA, said

Told = Callable[..., list[str]]
Write = Callable[[str], Path]

OLD = """\
diskimages:
  - name: dib-a
    elements: [vm]
providers:
  - name: one
    cloud: c
    images:
      - name: a
        diskimage: dib-a
labels:
  - name: small
    image: a
    min-ready: 1
    providers:
      - name: one
"""


def test_the_articles_file_loads_unchanged() -> None:
    """The file of the article means one label from one diskimage at one provider, with everything it says."""
    loaded = load(DATA / "article.yaml", {})
    config = loaded.config
    assert config is not None
    assert loaded.dialect is Dialect.OLD
    assert (config.check_cron, config.cleanup_cron) == ("*/15 * * * *", "*/30 * * * *")
    assert config.elements_dir == (Path("/etc/nodepool/elements"),)
    assert config.images_dir == Path("/var/lib/nodepool/dib")
    assert config.private_key == Path("/var/lib/nodepool/.ssh/id_rsa")
    assert config.diskimages[0].elements[-1] == "nodepool-minimal"
    assert config.diskimages[0].username == "jenkins"
    provider = config.providers[0]
    assert (provider.cloud, provider.boot_timeout, provider.image_type, provider.rate) == ("le-cloud", 120, "raw", 10)
    assert [(each.name, each.alias) for each in provider.diskimages] == [("dib-centos-7", "centos-7")]
    assert config.resolve_diskimage("centos-7") is config.resolve_diskimage("dib-centos-7") is config.diskimages[0]
    assert config.resolve_diskimage("other") is None
    pool = provider.pools[0]
    assert (pool.name, pool.max_servers, pool.networks, pool.auto_floating_ip) == ("main", 10, ("defaultnet",), True)
    assert pool.floating_network == ""
    assert [(each.name, each.diskimage, each.min_ram) for each in pool.labels] == [("centos-7", "dib-centos-7", 2048)]
    assert [(each.name, each.min_ready) for each in config.labels] == [("centos-7", 1)]


def test_every_key_of_the_article_that_moves_or_means_nothing_is_named() -> None:
    """Each notice has the key's place and says what it is now, or why it is not needed."""
    notices = [line for line in said(load(DATA / "article.yaml", {})) if "notice:" in line]
    assert notices == [
        "6:3: notice: translated: `cleanup`; now `cleanup-cron`",
        "7:3: notice: translated: `check`; now `check-cron`",
        "9:1: notice: ignored: `targets`; nodes are handed out by `grab`, not registered with a CI system",
        (
            "12:1: notice: ignored: `gearman-servers`; no Gearman server is asked for demand; "
            "`min-ready` and `grab` are the demand"
        ),
        "28:5: notice: translated: `images`; now `diskimages` of the provider, and `labels` of its pool",
        "31:9: notice: translated: `username`; now `username` of the diskimage `dib-centos-7`",
        "32:9: notice: translated: `private-key`; now `private-key` of the whole pool",
        "33:9: notice: translated: `min-ram`; now `min-ram` of the label in the provider's pool",
        "34:5: notice: translated: `networks`; now `networks` of the provider's pool, by name or id",
        "36:5: notice: translated: `max-servers`; now `max-servers` of the provider's pool",
        (
            "40:5: notice: translated: `pool`; now `auto-floating-ip: true` of the provider's pool; "
            "`nova` stood for the only pool of nova-network"
        ),
        "45:5: notice: translated: `image`; now `diskimage` of the label in the provider's pool",
        "47:5: notice: translated: `providers`; now `labels` of the provider's pool",
    ]


def test_the_articles_slips_are_named_all_at_once() -> None:
    """The wrong top-level key, the image that no provider has and the misplaced ready-script, with suggestions."""
    loaded = load(DATA / "article-packstack.yaml", {})
    errors = [str(each) for each in loaded.problems if each.severity is Severity.ERROR]
    file = DATA / "article-packstack.yaml"
    assert loaded.config is None
    assert errors == [
        (
            f"{file}:38:9: `ready-script` has no effect under a provider's image; "
            "move it to the label that uses this image, under `labels`"
        ),
        f"{file}:48:1: unknown key `label`; did you mean `labels`?",
        f"{file}:50:12: the provider `default` has no image `rdo-ocata`; the only one is `rdo-newton`",
    ]


def test_the_articles_packstack_file_loads_when_its_slips_are_mended(write: Write) -> None:
    """Mended as the suggestions say, the file gives the Packstack label with its ready-script and RAM."""
    text = (DATA / "article-packstack.yaml").read_text()
    text = text.replace("label:\n", "labels:\n").replace("image: rdo-ocata", "image: rdo-newton")
    text = text.replace("        ready-script: run_packstack.sh\n", "", 1)
    config = load_or_raise(write(text), {})
    assert config.labels[0].ready_script == "run_packstack.sh"
    assert config.diskimages[0].env_vars == {"RDO_RELEASE": "ocata"}
    assert config.providers[0].pools[0].labels[0].min_ram == 8192
    assert config.scripts_dir == (Path("/etc/nodepool/scripts"),)


def test_the_articles_file_runs_without_a_cloud_by_one_more_line(write: Write) -> None:
    """`driver: qemu` in an old provider makes its nodes on this host."""
    text = (
        (DATA / "article.yaml").read_text().replace("    cloud: le-cloud\n", "    cloud: le-cloud\n    driver: qemu\n")
    )
    assert load_or_raise(write(text), {}).providers[0].driver == "qemu"


def test_everything_an_old_provider_may_say_is_translated_or_named(write: Write) -> None:
    """No key of the old provider is lost in silence."""
    loaded = load(
        write(
            """\
            dburi: mysql://x
            zmq-publishers: []
            script-dir: /s
            zookeeper-servers: [{host: z, chroot: /n}]
            cron: {image-update: "14 2 * * *", check: "*/5 * * * * 30"}
            diskimages: [{name: d, release: 7, rebuild-age: 90}, {name: e}]
            providers:
              - name: p
                cloud: c
                region-name: r
                username: u
                password: s
                auth-url: a
                project-id: i
                project-name: n
                availability-zones: [az1]
                keypair: k
                networks: [{net-id: n1, public: true}, {net-label: n2}, {name: n3}]
                ipv6-preferred: true
                pool: outside
                api-timeout: 60
                launch-timeout: 600
                template-hostname: t
                images:
                  - {name: a, diskimage: d, pause: true, name-filter: B, meta: {k: v}, config-drive: no, user-home: /h}
            labels: [{name: l, image: a, subnodes: 2, providers: [{name: p}]}]
            """
        ),
        {},
    )
    config = loaded.config
    assert config is not None
    assert config.check_cron == "*/5 * * * *"
    assert [(each.name, each.release, each.rebuild_age) for each in config.diskimages] == [
        ("d", "7", 90),
        ("e", "", 86400),
    ]
    provider = config.providers[0]
    assert (provider.region_name, provider.launch_timeout) == ("r", 600)
    image = provider.diskimages[0]
    assert (image.alias, image.pause, image.meta, image.config_drive) == ("a", True, {"k": "v"}, False)
    pool = provider.pools[0]
    assert (pool.availability_zones, pool.networks) == (("az1",), ("n1", "n2", "n3"))
    assert (pool.public_networks, pool.prefer_ipv6, pool.floating_network) == (("n1",), True, "outside")
    assert (pool.labels[0].key_name, pool.labels[0].flavor_name) == ("k", "B")
    assert (config.labels[0].min_ready, config.labels[0].subnodes) == (2, 2)
    named = " ".join(each.message for each in loaded.problems)
    keys = "dburi zmq-publishers script-dir image-update check username password auth-url project-id project-name "
    keys += "availability-zones keypair networks public ipv6-preferred api-timeout template-hostname images "
    keys += "name-filter user-home image providers min-ready"
    assert [key for key in keys.split() if f"`{key}`" not in named] == []
    assert "rebuild-age: 86400" in " ".join(each.suggestion for each in loaded.problems)
    assert "seconds `30`" in " ".join(each.suggestion for each in loaded.problems)


def test_a_label_that_is_off_is_left_out(write: Write) -> None:
    """`min-ready: -1` turns a label off: it is not made, and that is said."""
    loaded = load(write(OLD.replace("min-ready: 1", "min-ready: -1")), {})
    assert loaded.config is not None
    assert (loaded.config.labels, loaded.config.providers[0].pools[0].labels) == ((), ())
    assert "13:16: notice: the label `small` is off (`min-ready: -1`): left out" in said(loaded)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("- name: one\n    c", "- name: two\n    c", "15:15: unknown provider `one`; the only one is `two`"),
        ("    image: a\n", "", "11:5: the key `image` is missing in the label `small`"),
        ("        diskimage: dib-a\n", "", "8:9: the key `diskimage` is missing in this image"),
        ("diskimage: dib-a", "diskimage: dib-b", "9:20: unknown diskimage `dib-b`; did you mean `dib-a`?"),
        (
            "        diskimage: dib-a",
            "        diskimage: dib-a\n        minram: 1",
            "10:9: unknown key `minram` in an image",
        ),
        ("    cloud: c", "    cloud: c\n    netwrks: []", "7:5: unknown key `netwrks`; did you mean `networks`?"),
        ("    cloud: c\n", "", "5:11: the provider `one` has no `cloud`"),
        (
            "    cloud: c",
            "    cloud: c\n    networks: [{nam: x}]",
            "unknown key `nam` in a network; did you mean `name`?",
        ),
        (
            "diskimages:",
            "cron: {chek: '* * * * *'}\ndiskimages:",
            "1:8: unknown key `chek` in `cron`; did you mean `check`",
        ),
        ("diskimages:", "cron: {check: '* *'}\ndiskimages:", "1:15: `check`: expected five fields, or six with the"),
        ("diskimages:", "cron: {check: 'a b c d e'}\ndiskimages:", "1:15: expected a cron expression of five fields"),
        ("diskimages:", "cron: {image-update: x}\ndiskimages:", "1:22: `image-update`: expected a cron expression"),
        (
            "diskimages:",
            "cron: {image-update: 0 0 31 2 *}\ndiskimages:",
            "1:22: `image-update`: `0 0 31 2 *` never runs",
        ),
        ("diskimages:", "cron: often\ndiskimages:", "1:7: `cron`: expected a mapping with `check` and `cleanup`"),
        (
            "    cloud: c",
            "    cloud: c\n  - name: new\n    driver: qemu\n    pools: []",
            (
                "9:5: this file mixes two dialects: `pools` here is of Nodepool 3 and later, `image` in line 15 is of "
                "Nodepool 0.x; write one of them throughout"
            ),
        ),
    ],
)
def test_what_is_wrong_in_an_old_file_is_told_in_its_own_words(told: Told, old: str, new: str, message: str) -> None:
    """Problems of an old file speak of the keys that stand there, at their places."""
    assert old in OLD
    lines = told(OLD.replace(old, new, 1))
    assert any(message in line for line in lines), lines


def test_a_native_file_with_an_old_key_at_the_top_stays_native(told: Told) -> None:
    """`cron` and the like are understood in a native file too."""
    text = "cron: {check: '* * * * *'}\ntargets: []\nproviders: [{name: p, driver: qemu, pools: []}]\n"
    assert [line.split(";")[0] for line in told(text)] == [
        "1:8: notice: translated: `check`",
        "2:1: notice: ignored: `targets`",
    ]


def test_two_keys_for_the_whole_pool_are_told(told: Told) -> None:
    """A second `private-key` or a second `username` for one diskimage cannot be kept, and is named."""
    text = OLD.replace(
        "diskimage: dib-a",
        "diskimage: dib-a\n        private-key: /k1\n        username: u1\n"
        "      - {name: b, diskimage: dib-a, private-key: /k2, username: u2}",
    )
    warnings = [line for line in told(text) if ("warning" in line and "u2" in line) or "/k2" in line]
    assert warnings == [
        "12:50: warning: the pool has one key: `/k2` is not used; `/k1` is used everywhere",
        "12:65: warning: a diskimage has one user: `u2` is not used; line 11 says `u1` for `dib-a`",
    ]
