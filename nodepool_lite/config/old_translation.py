"""Labels, providers and diskimages of the dialect of Nodepool 0.3-0.5, translated."""

from nodepool_lite.config.old_dialect import LABEL_KEYS
from nodepool_lite.config.old_provider import OldProvider, pool_label
from nodepool_lite.config.problem import Report, did_you_mean, nearest
from nodepool_lite.config.settings import Label
from nodepool_lite.config.tree import Item
from nodepool_lite.config.validate import known_entries


class Translation:
    """Labels, providers and diskimages of one old file, on their way into the native form."""

    def __init__(self, tree: Item, report: Report) -> None:
        self._tree = tree
        self._report = report
        self._providers = [OldProvider(each, report) for each in tree.each("providers")]
        self._key: Item | None = tree.get("private-key")
        self._usernames: dict[str, Item] = {}
        for provider in self._providers:
            for image in provider.images:
                self._take_login(image)

    def tree(self) -> Item:
        """Return the whole file in the native form."""
        entries = dict(self._tree.entries or {})
        labels = [self._label(each) for each in self._tree.each("labels")]
        changed = {
            "labels": tuple(each for each in labels if each is not None),
            "diskimages": tuple(self._diskimage(each) for each in self._tree.each("diskimages")),
            "providers": tuple(each.native() for each in self._providers),
        }
        for section, items in changed.items():
            whole = entries.get(section)
            if whole is not None and whole.items is not None:
                entries[section] = Item(whole.at, whole.key_at, items=items)
        if self._key is not None:
            entries["private-key"] = self._key
        return self._tree.but(entries)

    def _take_login(self, image: Item) -> None:
        """Note an image's `username` and `private-key`, which belong to the diskimage and to the pool now."""
        key, username, diskimage = image.get("private-key"), image.get("username"), image.word("diskimage")
        if key is not None:
            self._moved(key, "private-key", "`private-key` of the whole pool")
            if self._key is not None and self._key.text != key.text:
                self._report.warning(
                    key.at, f"the pool has one key: `{key.text}` is not used", f"`{self._key.text}` is used everywhere"
                )
            self._key = self._key or key
        if username is not None and diskimage:
            self._moved(username, "username", f"`username` of the diskimage `{diskimage}`")
            first = self._usernames.setdefault(diskimage, username)
            if first.text != username.text:
                self._report.warning(
                    username.at,
                    f"a diskimage has one user: `{username.text}` is not used",
                    f"line {first.at.line} says `{first.text}` for `{diskimage}`",
                )

    def _diskimage(self, diskimage: Item) -> Item:
        username = self._usernames.get(diskimage.word("name"))
        if username is None or diskimage.entries is None or "username" in diskimage.entries:
            return diskimage
        return diskimage.but({**diskimage.entries, "username": username})

    def _label(self, label: Item) -> Item | None:
        """Return the native label, after handing its images to the providers that make it."""
        if label.entries is None:
            return label
        entries = known_entries(label, Label, self._report, also=LABEL_KEYS)
        name = label.word("name")
        if label.word("min-ready") == "-1":
            self._report.notice(label.place("min-ready"), f"the label `{name}` is off (`min-ready: -1`): left out")
            return None
        if "min-ready" not in entries:
            self._report.notice(label.at, f"`min-ready` of the label `{name}` is 2, this dialect's default")
            entries["min-ready"] = Item(label.at, label.at, text="2")
        if "nodeset" in entries:
            hint = "write the file in the native form: `nodepool-lite config convert` does it for you"
            self._report.error(label.place("nodeset"), "`nodeset` is no key of this dialect", hint)
            return None
        image, providers = entries.pop("image", None), entries.pop("providers", None)
        for key, value in (("image", image), ("providers", providers)):
            if value is None:
                self._report.error(label.at, f"the key `{key}` is missing in the label `{name}`")
        if image is not None and providers is not None:
            self._moved(image, "image", "`diskimage` of the label in the provider's pool")
            self._moved(providers, "providers", "`labels` of the provider's pool")
            self._serve(label.but(entries), image, providers)
        return label.but(entries)

    def _serve(self, label: Item, image: Item, providers: Item) -> None:
        """Give the label to each provider that it names."""
        if providers.items is None:
            self._report.error(providers.at, f"`providers`: expected a list, not {providers.nature}")
        for wanted in providers.items or ():
            known = {each.name: each for each in self._providers}
            name = wanted.word("name") or wanted.text or ""
            if name not in known:
                self._report.error(wanted.place("name"), f"unknown provider `{name}`", did_you_mean(name, known))
                continue
            found = self._image(known[name], image)
            if found is not None:
                known[name].labels.append(pool_label(label, found, known[name].keypair))

    def _image(self, provider: OldProvider, wanted: Item) -> Item | None:
        """Return the provider's image of that name; when there is none, the one that was probably meant."""
        images = {each.word("name"): each for each in provider.images}
        name = wanted.text or ""
        if name not in images:
            suggestion = did_you_mean(name, images) or "give the provider `images`"
            self._report.error(wanted.at, f"the provider `{provider.name}` has no image `{name}`", suggestion)
            return images.get(nearest(name, images) or "") or next(iter(images.values()), None)
        return images[name]

    def _moved(self, item: Item, key: str, new: str) -> None:
        self._report.notice(item.key_at or item.at, f"translated: `{key}`", f"now {new}")
