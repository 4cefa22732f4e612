"""A provider of Nodepool 0.3-0.5, with its images and networks, as a native provider with one pool."""

from collections.abc import Mapping

from nodepool_lite.config.problem import Position, Report
from nodepool_lite.config.settings import Provider
from nodepool_lite.config.texts import is_true
from nodepool_lite.config.tree import Item
from nodepool_lite.config.validate import known_entries

_CREDENTIALS = "put it into clouds.yaml and name that entry with `cloud`"
_DROPPED = {
    "username": _CREDENTIALS,
    "password": _CREDENTIALS,
    "auth-url": _CREDENTIALS,
    "project-id": _CREDENTIALS,
    "project-name": _CREDENTIALS,
    "api-timeout": "calls to a cloud have a time-out of their own; `api_timeout` can be set in clouds.yaml",
    "template-hostname": "images are not made from running servers",
    "nodepool-id": "each pool makes its own id",
}
_TO_POOL = {
    "max-servers": "max-servers",
    "availability-zones": "availability-zones",
    "ipv6-preferred": "prefer-ipv6",
}
_OTHER = ("images", "networks", "keypair", "pool")
_IMAGE = (
    "name",
    "pause",
    "min-ram",
    "name-filter",
    "diskimage",
    "meta",
    "username",
    "user-home",
    "private-key",
    "config-drive",
)
_NETWORK = ("name", "net-id", "net-label")
_ONLY_POOL = "nova"
"""The name of the floating IP pool of every cloud with nova-network; no network of Neutron is called so."""


class OldProvider:
    """One provider of the old file; it collects the labels that it is to make before it becomes native."""

    def __init__(self, item: Item, report: Report) -> None:
        self._item = item
        self._report = report
        self.labels: list[Item] = []
        self.name = item.word("name")
        self._native = item.entries is None or "pools" in item.entries
        keys = (*_DROPPED, *_TO_POOL, *_OTHER)
        self._entries = dict(item.entries or {}) if self._native else known_entries(item, Provider, report, also=keys)
        self.images = tuple(self._image(each) for each in item.each("images") if each.entries is not None)

    @property
    def keypair(self) -> Item | None:
        """The name of the cloud's key pair that servers get."""
        return self._entries.get("keypair")

    def native(self) -> Item:
        """Return the provider in the native form."""
        if self._native:
            return self._item
        entries: dict[str, Item] = {}
        pool: dict[str, Item] = {}
        for key, value in self._entries.items():
            at = value.key_at or value.at
            if key in _DROPPED:
                self._report.notice(at, f"ignored: `{key}`", _DROPPED[key])
            elif key in _TO_POOL:
                self._moved(at, key, f"`{_TO_POOL[key]}` of the provider's pool")
                pool[_TO_POOL[key]] = value
            elif key in _OTHER:
                self._other(key, value, pool)
            else:
                entries[key] = value
        if "images" in self._entries:
            entries["diskimages"] = self._diskimages(self._entries["images"])
        pool["name"] = Item(self._item.at, text="main")
        pool["labels"] = Item(self._item.at, items=tuple(self.labels))
        order = {key: pool[key] for key in ("name", *pool)}
        entries["pools"] = Item(self._item.at, items=(Item(self._item.at, entries=order),))
        return self._item.but(entries)

    def _other(self, key: str, value: Item, pool: dict[str, Item]) -> None:
        """Translate a key that changes its form."""
        at = value.key_at or value.at
        match key:
            case "images":
                self._moved(at, key, "`diskimages` of the provider, and `labels` of its pool")
                if value.items is None:
                    self._report.error(value.at, f"`images`: expected a list, not {value.nature}")
            case "keypair":
                self._moved(at, key, "`key-name` of each label in the provider's pool")
            case "pool":
                pool["auto-floating-ip"] = Item(value.at, at, text="true")
                if value.text == _ONLY_POOL:
                    only = f"`auto-floating-ip: true` of the provider's pool; `{_ONLY_POOL}` stood for the only pool of"
                    self._moved(at, key, f"{only} nova-network")
                else:
                    self._moved(at, key, "`floating-network` of the provider's pool, with `auto-floating-ip: true`")
                    pool["floating-network"] = value
            case "networks":
                self._moved(at, key, "`networks` of the provider's pool, by name or id")
                pool["networks"] = self._networks(value)
                public = [each for each in value.items or () if is_true(each.word("public"))]
                if public:
                    names = tuple(name for each in public if (name := _name(each)) is not None)
                    pool["public-networks"] = Item(value.at, value.key_at, items=names)

    def _networks(self, value: Item) -> Item:
        if value.items is None:
            return value
        names = (self._network(each) for each in value.items)
        return Item(value.at, value.key_at, items=tuple(each for each in names if each is not None))

    def _network(self, network: Item) -> Item | None:
        if network.entries is None:
            return network
        for key, value in network.entries.items():
            at = value.key_at or value.at
            if key == "public":
                self._moved(at, key, "`public-networks` of the provider's pool")
            elif key not in _NETWORK:
                self._report.unknown_key(at, key, [*_NETWORK, "public"], " in a network")
        found = _name(network)
        if found is None:
            self._report.error(network.at, "expected a network with `name`, `net-id` or `net-label`")
        return found

    def _image(self, image: Item) -> Item:
        """Return a provider image with known keys alone."""
        entries: dict[str, Item] = {}
        for key, value in (image.entries or {}).items():
            at = value.key_at or value.at
            if key == "ready-script":
                where = "move it to the label that uses this image, under `labels`"
                self._report.error(at, "`ready-script` has no effect under a provider's image", where)
            elif key == "user-home":
                self._report.notice(at, "ignored: `user-home`", "the home of `username` is asked for on the node")
            elif key not in _IMAGE:
                self._report.unknown_key(at, key, _IMAGE, " in an image")
            else:
                entries[key] = value
        if "diskimage" not in entries:
            self._report.error(image.at, "the key `diskimage` is missing in this image")
        return image.but(entries)

    def _diskimages(self, whole: Item) -> Item:
        """Return the provider's images as native diskimages, each once, with the old name as an alias."""
        native: dict[str, Item] = {}
        for image in self.images:
            for key in ("min-ram", "name-filter"):
                if (value := image.get(key)) is not None:
                    new = "flavor-name" if key == "name-filter" else key
                    self._moved(value.key_at or value.at, key, f"`{new}` of the label in the provider's pool")
            entries = {key: value for key in ("pause", "meta", "config-drive") if (value := image.get(key)) is not None}
            diskimage, name = image.get("diskimage"), image.get("name")
            if diskimage is None or diskimage.text is None or diskimage.text in native:
                continue
            if name is not None and name.text != diskimage.text:
                entries = {"alias": name, **entries}
            native[diskimage.text] = image.but({"name": diskimage, **entries})
        return Item(whole.at, whole.key_at, items=tuple(native.values()))

    def _moved(self, at: Position, key: str, new: str) -> None:
        self._report.notice(at, f"translated: `{key}`", f"now {new}")


def _name(network: Item) -> Item | None:
    """Return by what a network is called, name or id."""
    return next((network.entries[key] for key in _NETWORK if network.entries and key in network.entries), None)


def pool_label(label: Item, image: Item, keypair: Item | None) -> Item:
    """Return the label as a pool makes it from a provider's image."""
    candidates: Mapping[str, Item | None] = {
        "name": label.get("name"),
        "diskimage": image.get("diskimage"),
        "min-ram": image.get("min-ram"),
        "flavor-name": image.get("name-filter"),
        "key-name": keypair,
    }
    return Item(label.at, entries={key: value for key, value in candidates.items() if value is not None})
