"""All that ``haa doctor`` says, as values and as lines of text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import haa
from haa.doctor import machine, packages, places


def examine() -> dict[str, Any]:
    """Return what is installed here and what the machine has, as plain values; no key, token or name of a user.

    The home folder is written as ``~`` wherever it stands. ``faults`` are sentences: what has to be cured first.

    Example:
        >>> sorted(examine())[:5]
        ['accounts', 'caches', 'cores', 'devices', 'environment']
    """
    asked = packages.requirements()
    found: dict[str, Any] = {
        "haa": {
            "version": haa.__version__,
            "installed": {name: packages.version(name) for name in (packages.FULL, packages.CORE)},
            "place": str(Path(haa.__file__).parent),
        },
        **machine.system(),
        "packages": packages.packages(asked),
        "extras": packages.extras(asked),
        "devices": machine.devices(),
        "cores": machine.cores(),
        "memory": machine.memory(),
        "caches": {name: {"place": str(path), **places.size(path)} for name, path in places.caches().items()},
        "places": {name: {"place": str(path), **places.space(path)} for name, path in places.written().items()},
        "accounts": places.accounts(),
        "environment": machine.environment(),
    }
    found["faults"] = list(_faults(found))
    return _without_home(found, os.path.expanduser("~"))


def text(found: dict[str, Any]) -> str:
    """Return what `examine` has found as lines for a report of a fault."""
    lines = [f"{name:<16}{value}".rstrip() for name, value in _rows(found)]
    return "\n".join([*lines, *(f"fault: {fault}" for fault in found["faults"])])


def _faults(found: dict[str, Any]) -> Iterator[str]:
    version, installed = found["haa"]["version"], found["haa"]["installed"]
    there = {name: found for name, found in installed.items() if found is not None}
    if not there:
        cure = "run `pip install haa`, or `pip install -e .` in a clone"
        yield f"pip knows of no haa, so that what it needs is unknown: {cure}"
    elif len(there) > 1:
        yield "haa and haa-core have the same files: run `pip uninstall -y haa haa-core`, and install one of them"
    elif version not in there.values():
        yield f"pip knows {' '.join(next(iter(there.items())))}, and {version} is what runs: install it again"
    wrong = {name: state["wrong"] for name, state in found["packages"].items() if state["wrong"]}
    if wrong:
        told = ", ".join(f"{name} {what}" for name, what in wrong.items())
        own = packages.FULL if packages.FULL in there else packages.CORE
        yield f"{told}: run `pip install {own}`"
    if found["devices"]["fault"]:
        yield f"torch cannot be imported ({found['devices']['fault']}): install it again"
    yield from (f"nothing can be written in {e['place']}" for e in found["places"].values() if not e["writable"])


def _rows(found: dict[str, Any]) -> Iterator[tuple[str, str]]:
    own, devices = found["haa"], found["devices"]
    installed = ", ".join(f"{name} {version}" for name, version in own["installed"].items() if version)
    yield "haa", f"{own['version']} in {own['place']} (pip: {installed or 'not installed'})"
    yield "python", f"{found['python']}, {found['executable']}"
    yield "system", found["system"]
    builds = ", ".join(f"{name} {devices[name]}" for name in ("cuda", "hip", "cudnn") if devices.get(name))
    yield "torch", f"{devices['torch']} ({builds or 'for processors alone'})" if devices["torch"] else "none"
    for each in devices["devices"]:
        memory = f", {_bytes(each['memory'])}" if each["memory"] else ""
        capability = f", capability {each['capability']}" if each["capability"] else ""
        yield each["device"], f"{each['name']}{memory}{capability}"
    if not devices["devices"]:
        yield "devices", "the processor alone"
    yield from (("torch says", warning) for warning in devices["warnings"])
    cores, memory = found["cores"], found["memory"]
    quota = f", as much time as {cores['quota']:g}" if cores["quota"] else ""
    threads = f", {devices['threads']} threads of torch" if devices["torch"] else ""
    yield "cores", f"{cores['usable']} of {cores['there']}{quota}{threads}"
    limit = f", at most {_bytes(memory['limit'])} for this group" if memory["limit"] else ""
    yield "memory", f"{_bytes(memory['free'])} free of {_bytes(memory['total'])}{limit}"
    if found["packages"] and "hydra-core" not in found["packages"]:
        yield "commands", "none, since haa-core is here alone: pip install haa"
    versions = [f"{name} {state['version'] or 'missing'}" for name, state in found["packages"].items()]
    yield from _several("packages", [", ".join(versions[i : i + 5]) for i in range(0, len(versions), 5)])
    yield from _several("extras", [f"{name:<14}{_extra(each)}" for name, each in found["extras"].items()])
    sizes = [f"{name:<14}{_cache(each)}" for name, each in found["caches"].items()]
    yield from _several("caches", sizes)
    yield from _several("written to", [f"{name:<14}{_space(each)}" for name, each in found["places"].items()])
    kept = [f"{name:<14}{'a key in ' + source if source else 'none'}" for name, source in found["accounts"].items()]
    yield from _several("accounts", kept)
    yield from _several("environment", [f"{name}={value}" for name, value in found["environment"].items()])


def _several(name: str, lines: list[str]) -> Iterator[tuple[str, str]]:
    yield from ((name if i == 0 else "", line) for i, line in enumerate(lines))


def _extra(each: dict[str, Any]) -> str:
    if each["install"]:
        return f"missing: {each['install']}"
    return ", ".join(f"{name} {state['version']}" for name, state in each["packages"].items())


def _cache(each: dict[str, Any]) -> str:
    if not each["files"]:
        return f"empty, {each['place']}"
    more = "" if each["all"] else "more than "
    return f"{more}{_bytes(each['bytes'])} in {each['files']} files, {each['place']}"


def _space(each: dict[str, Any]) -> str:
    return f"{_bytes(each['free'])} free{'' if each['writable'] else ', NOT writable'}, {each['place']}"


def _bytes(count: int | None) -> str:
    if count is None:
        return "unknown"
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"


def _without_home(value: Any, home: str) -> Any:
    """Return plain values in whose texts the home folder is ``~``."""
    if isinstance(value, dict):
        return {key: _without_home(each, home) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_home(each, home) for each in value]
    if isinstance(value, str) and len(home) > 1:
        return "~" if value == home else value.replace(home + os.sep, "~" + os.sep)
    return value
