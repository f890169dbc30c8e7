"""What a configuration changes in a paper's file, in few words: settings that many methods share are said once."""

from __future__ import annotations

from collections.abc import Iterable

from refer.spec import Paper


def changes(paper: Paper) -> str:
    """Return what was changed: `recipe.epochs = 6 (was: 50), methods.{late-*, vgg11}.recipe.lr = 0.02`."""
    shared: dict[tuple[str, str], list[str]] = {}
    found: list[str] = []
    for key, value in paper.departures.items():
        section, _, rest = key.partition(".")
        method, _, setting = rest.partition(".")
        if section == "methods" and setting and method in paper.methods:
            shared.setdefault((setting, value), []).append(method)
        else:
            found.append(f"{key} = {value}")
    # What the same methods share stands in one place too.
    alike: dict[tuple[str, ...], list[str]] = {}
    for (setting, value), methods in shared.items():
        alike.setdefault(tuple(methods), []).append(f"{setting} = {value}")
    for those, settings in alike.items():
        names = _families(those, list(paper.methods))
        which = names[0] if len(names) == 1 else f"{{{', '.join(names)}}}"
        what = settings[0] if len(settings) == 1 else f"{{{', '.join(settings)}}}"
        found.append(f"methods.{which}.{what}")
    return ", ".join(found)


def _families(methods: Iterable[str], known: list[str]) -> list[str]:
    """Return methods as patterns: `late-*` where all that begin so are among them, `*` where all are."""
    those = set(methods)
    if those == set(known) and len(known) > 1:
        return ["*"]
    names: dict[str, None] = {}
    for method in (each for each in known if each in those):
        family = [each for each in known if each.partition("-")[0] == method.partition("-")[0]]
        begins = method.partition("-")[0] + "-"
        whole = len(family) > 1 and those.issuperset(family) and all(each.startswith(begins) for each in family)
        names[f"{begins}*" if whole else method] = None
    return list(names)
