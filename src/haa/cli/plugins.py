"""Hydra's launchers and sweepers that an extra has: the line that installs one that is not there."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from haa.cli.overrides import conf
from haa.errors import InputError, needs

PLUGINS = {
    "hydra/launcher=joblib": ("sweep", "hydra_plugins.hydra_joblib_launcher"),
    "hydra/launcher=slurm": ("slurm", "hydra_plugins.hydra_submitit_launcher"),
    "hydra/launcher=submitit_slurm": ("slurm", "hydra_plugins.hydra_submitit_launcher"),
    "hydra/launcher=submitit_local": ("slurm", "hydra_plugins.hydra_submitit_launcher"),
    "hydra/launcher=ray": ("ray", "hydra_plugins.hydra_ray_launcher"),
    "hydra/launcher=ray_local": ("ray", "hydra_plugins.hydra_ray_launcher"),
    "hydra/launcher=ray_aws": ("ray", "hydra_plugins.hydra_ray_launcher"),
    "hydra/sweeper=optuna": ("sweep", "hydra_plugins.hydra_optuna_sweeper"),
}
"""Words that ask for a plugin of Hydra's, the extra of haa that has it, and its module."""

_SUBMITS = ("hydra/launcher=slurm", "hydra/launcher=submitit_slurm")
_SHOWS = ("-c", "--cfg", "-i", "--info")
"""Flags of Hydra's that show a config, and run nothing."""


def check_flags(words: Sequence[str]) -> None:
    """Refuse a sweep together with a flag that shows one run's config, which Hydra answers with a traceback.

    Args:
        words: Words of the command line.

    Raises:
        InputError: If both are there.
    """
    sweep = next((word for word in words if word in ("-m", "--multirun")), None)
    shows = next((word for word in words if word.partition("=")[0] in _SHOWS), None)
    if sweep and shows:
        raise InputError(f"{shows} shows the config of one run, and {sweep} sweeps over many: leave out {sweep}")


def check_plugins(words: Sequence[str]) -> None:
    """Refuse words that ask for a plugin which is not installed, or for SLURM where there is none.

    An experiment of haa's may ask for a plugin, too.

    Args:
        words: Words of the command line.

    Raises:
        InputError: If one does.
    """
    for asked in (each for word in words for each in (word, *_of_experiment(word))):
        if asked in PLUGINS:
            extra, module = PLUGINS[asked]
            needs(asked, f"haa[{extra}]", module)
        shows = any(word.partition("=")[0] in _SHOWS for word in words)
        if asked in _SUBMITS and not shows and shutil.which("srun") is None:
            raise InputError(
                f"{asked}: there is no srun here: give the command on a machine that submits to SLURM, or leave out "
                "hydra/launcher to train here, one run after another"
            )


def _of_experiment(word: str) -> list[str]:
    """Return the words of which an experiment of haa's consists, where a word names one."""
    key, _, name = word.partition("=")
    path = conf() / "experiment" / f"{name}.yaml"
    if key != "experiment" or not path.is_file():
        return []
    import yaml

    defaults = [item for item in yaml.safe_load(path.read_text()).get("defaults", []) if isinstance(item, dict)]
    return [f"{key.removeprefix('override /')}={value}" for item in defaults for key, value in item.items()]
