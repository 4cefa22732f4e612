"""The last steps from what a file says to what it means: parents, paths, and what follows from the rest."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from nodepool_lite.config.settings import Config, Diskimage, Provider, ProviderImage
from nodepool_lite.config.zookeeper import ZooKeeperTls


def absolute(path: Path, base: Path, environ: Mapping[str, str]) -> Path:
    """Return a path as seen from anywhere: a relative one starts in `base`, the file's directory; `~` is HOME."""
    home = environ.get("HOME", "")
    if home and path.parts[:1] == ("~",):
        path = Path(home, *path.parts[1:])
    return base / path


Said = Mapping[str, Collection[str]]
"""Which settings of each diskimage the file gives: the others may come from its parent."""


def finished(config: Config, said: Said, base: Path, environ: Mapping[str, str]) -> Config:
    """Return the settings with parents merged into diskimages, images of labels listed, and every path absolute."""
    by_name = {each.name: each for each in config.diskimages}
    paths = {
        name: absolute(getattr(config, name), base, environ) for name in ("state_dir", "images_dir", "build_log_dir")
    }
    lists = {
        name: tuple(absolute(each, base, environ) for each in getattr(config, name))
        for name in ("elements_dir", "scripts_dir")
    }
    key = {"private_key": absolute(config.private_key, base, environ)} if config.private_key else {}
    tls = {"zookeeper_tls": _absolute_tls(config.zookeeper_tls, base, environ)} if config.zookeeper_tls else {}
    return config.but(
        diskimages=tuple(_with_parents(each, by_name, said) for each in config.diskimages),
        providers=tuple(_with_images(each) for each in config.providers),
        **paths,
        **lists,
        **key,
        **tls,
    )


def _absolute_tls(tls: ZooKeeperTls, base: Path, environ: Mapping[str, str]) -> ZooKeeperTls:
    files = {name: getattr(tls, name) for name in ("ca", "cert", "key")}
    return tls.but(**{name: absolute(path, base, environ) for name, path in files.items() if path is not None})


_OF_EACH = {"name", "abstract", "parent"}
"""Settings that no diskimage has from its parent."""


def _with_parents(image: Diskimage, by_name: Mapping[str, Diskimage], said: Said) -> Diskimage:
    """Return the diskimage with what its ancestors say: their elements first, their settings where it has none."""
    line = [image]
    while line[-1].parent is not None:
        line.append(by_name[line[-1].parent])
    merged = line.pop()
    inherited = set(said[merged.name]) - _OF_EACH
    while line:
        child = line.pop()
        merged = _child_of(merged, child, inherited - set(said[child.name]))
        inherited |= set(said[child.name]) - _OF_EACH
    return merged


def _child_of(parent: Diskimage, image: Diskimage, inherited: Collection[str]) -> Diskimage:
    update = {name: getattr(parent, name) for name in inherited}
    update["elements"] = (*parent.elements, *_new(image.elements, parent.elements))
    update["env_vars"] = {**parent.env_vars, **image.env_vars}
    update["metadata"] = {**parent.metadata, **image.metadata}
    update["parent"] = None
    return image.but(**update)


def _new(names: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    return tuple(each for each in names if each not in set(known))


def _with_images(provider: Provider) -> Provider:
    """Return the provider with each diskimage that its labels use, listed or not: it has to be uploaded."""
    listed = {each.name for each in provider.diskimages}
    used = [label.diskimage for pool in provider.pools for label in pool.labels if label.diskimage]
    missing = tuple(ProviderImage(name=each) for each in dict.fromkeys(used) if each not in listed)
    return provider.but(diskimages=(*provider.diskimages, *missing)) if missing else provider
