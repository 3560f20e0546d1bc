"""Likely mistakes in the geometry of gaze, recognised by the points themselves, each with its cure.

What decides is how many points lie on their pictures, where they end, and which side of the pictures has the contrast
that people look at. Each is a function of points and sizes, without files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from haa.data.care.contrast import mean_contrast

FEW = 20
"""Fewest points of which anything is said."""
ENOUGH = 100
"""Fewest points of which is said where they end."""
PICTURES = 10
"""Fewest pictures by whose contrast anything is said."""
SURE = 3.0
"""Standard errors by which contrast has to be greater the other way round."""
SCREENS = (
    *((1024, 768), (1280, 720), (1280, 1024), (1366, 768), (1440, 900), (1600, 1200)),
    *((1680, 1050), (1920, 1080), (1920, 1200), (2560, 1440), (2560, 1600), (3840, 2160)),
)
"""Sizes of common screens, in pixels."""

Turn = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True)
class Mistake:
    """A likely mistake.

    Attributes:
        name: What it is, in a few words.
        evidence: What speaks for it.
        cure: What to do.
        certain: Whether there is hardly another reason; else it is a suspicion, to be looked at.
    """

    name: str
    evidence: str
    cure: str
    certain: bool = True

    def __str__(self) -> str:
        return f"{self.evidence}: {self.cure}"


@dataclass(frozen=True)
class Gazed:
    """Gaze on several pictures.

    Attributes:
        points: x and y in pixels of the pictures, as they are meant to be, ``(n, 2)``.
        sizes: Width and height of each point's picture, ``(n, 2)``.
        picture: A number for each point that tells its picture, ``(n,)``.
        durations: Milliseconds, as they are meant to be, or None.
        contrasts: Maps of contrast by the picture's number; pictures without one are not asked.
    """

    points: NDArray[np.float64]
    sizes: NDArray[np.float64]
    picture: NDArray[np.int64]
    durations: NDArray[np.float64] | None = None
    contrasts: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)

    def without(self, rows: NDArray[np.bool_]) -> Gazed:
        """Return all but some points; durations stay."""
        return Gazed(self.points[~rows], self.sizes[~rows], self.picture[~rows], self.durations, self.contrasts)


def mistakes(gaze: Gazed) -> list[Mistake]:
    """Return the likely mistakes, those of units first: where units are wrong, nothing else can be told.

    Args:
        gaze: The points.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> sizes, picture = np.tile([800.0, 600.0], (200, 1)), np.arange(200) % 20
        >>> [found.name for found in mistakes(Gazed(rng.uniform(0, 1, (200, 2)), sizes, picture))]
        ['x and y from 0 to 1']
        >>> mistakes(Gazed(rng.uniform(0, 1, (200, 2)) * sizes, sizes, picture))
        []
    """
    found = list(_durations(gaze))
    zeros = (gaze.points == 0).all(1)
    if zeros.sum() >= max(5, 0.01 * len(zeros)):
        found.append(
            Mistake(
                "lost samples at 0, 0",
                f"{zeros.sum()} of {len(zeros)} points lie at exactly 0, 0, which trackers write for a lost eye",
                "leave these lines out; haa data import does",
            )
        )
        gaze = gaze.without(zeros)
    if len(gaze.points) < FEW:
        return found
    one = next(_units(gaze), None) or next(_axes(gaze), None) or next(_ends(gaze), None)
    if one is not None:
        return [*found, one]
    return [*found, *_contrast(gaze)]


def on_picture(points: NDArray[np.float64], sizes: NDArray[np.float64]) -> float:
    """Return the share of points that lie on their picture."""
    return float(((points >= -0.5) & (points < sizes - 0.5)).all(1).mean())


def _within(points: NDArray[np.float64], low: float, high: float) -> bool:
    return bool(((points >= low) & (points <= high)).all(1).mean() >= 0.98)


def _units(gaze: Gazed) -> Iterator[Mistake]:
    points, sizes = gaze.points, gaze.sizes
    large = sizes.min()
    negative = (points < 0).mean(0).min()
    reach = f"all x lie between {points[:, 0].min():.4g} and {points[:, 0].max():.4g}, all y between "
    reach += f"{points[:, 1].min():.4g} and {points[:, 1].max():.4g}, of pictures of "
    reach += f"{sizes[0][0]:g} x {sizes[0][1]:g} and the like"
    if large > 10 and _within(points, -1.1, 1.1) and negative >= 0.1:
        cure = "import them with units=norm origin=center, or turn them into pixels"
        yield Mistake("x and y from -1 to 1", reach, cure)
    if large > 10 and _within(points, -0.5, 1.5):
        cure = "import them with units=share, or multiply x by each picture's width and y by its height"
        yield Mistake("x and y from 0 to 1", reach, cure)
    if large > 100 and _within(points, -45, 45) and negative >= 0.1:
        cure = "import them with units=degrees distance=CM screen_cm=WIDTHxHEIGHT"
        yield Mistake("degrees taken for pixels", reach, cure)
    middle = np.median(points, axis=0)
    if large > 300 and _within(points, -5, 105) and (np.abs(middle - 50) < 20).all() and (points.max(0) > 70).all():
        cure = "import them with units=percent, or turn them into pixels"
        yield Mistake("x and y in per cent", reach, cure)
    on = on_picture(points, gaze.sizes)
    if negative >= 0.2 and on < 0.6 and on_picture(points + sizes / 2, sizes) > max(0.9, on + 0.3):
        cure = "import them with origin=center, or add half the width and half the height"
        yield Mistake("counted from the centre", f"x and y lie about 0, and only {on:.0%} on the pictures", cure)
    turned = points * np.array([1.0, -1.0])
    if on < 0.5 and on_picture(turned, sizes) > max(0.9, on + 0.4):
        cure = "import them with y=up, or take the minus away"
        yield Mistake("y negative", f"{(points[:, 1] < 0).mean():.0%} of y are negative", cure)


def _axes(gaze: Gazed) -> Iterator[Mistake]:
    """Say where x and y are exchanged: more points lie on the pictures then, or none where only the long side is."""
    off = 1 - on_picture(gaze.points, gaze.sizes)
    turned = 1 - on_picture(gaze.points[:, ::-1], gaze.sizes)
    if off >= 0.02 and off * len(gaze.points) >= 5 and turned <= 0.2 * off:
        evidence = f"{off:.1%} of the points lie off their pictures, and {turned:.1%} would with x and y exchanged"
        yield Mistake("x and y exchanged", evidence, "exchange them")
        return
    oblong = gaze.sizes[:, 0] != gaze.sizes[:, 1]
    wide = gaze.sizes[:, 0] > gaze.sizes[:, 1]
    long, short = (np.where(wide == first, gaze.points[:, 0], gaze.points[:, 1])[oblong] for first in (True, False))
    side = gaze.sizes.min(1)[oblong]
    along, across = (long > side - 0.5).sum(), (short > 0.9 * side).sum()
    if len(long) >= ENOUGH and not along and across:
        evidence = (
            f"none of {len(long)} points lies, along the long side of its picture, where the short side would end"
        )
        yield Mistake("x and y exchanged", evidence, "exchange them")


def _ends(gaze: Gazed) -> Iterator[Mistake]:
    """Say where points end beside the picture's border: another size, another offset, counting from 1."""
    points, sizes = gaze.points, gaze.sizes
    shares = (points + 0.5) / sizes
    count = len(points)
    far = (points >= sizes + 0.5).any(1) | (points < -0.5).any(1)
    beyond = ((points >= sizes - 0.5) & (points < sizes + 0.5)).any(1)
    whole = (points == np.round(points)).all()
    if whole and beyond.any() and not far.any() and points.min() >= 1:
        evidence = f"x and y are whole numbers, begin at {points.min():g}, and {beyond.sum()} equal width or height"
        yield Mistake("counted from 1", evidence, "set data.first_pixel=1, or import them with first_pixel=1")
    if count < ENOUGH:
        return
    low, high = np.quantile(shares, [0.005, 0.995], axis=0)
    right, left = float((shares >= 1).any(1).mean()), float((shares < 0).any(1).mean())
    width, height = sizes[0]
    if right >= 0.03 and left <= 0.1 * right:
        yield from _too_far(points, sizes, shares, right)
    empty = 1 - high
    if (empty > 0.12).all() and (low < 0.4 * empty).all():
        used = " x ".join(f"{share:.0%}" for share in high)
        evidence = f"nobody looks beyond the upper left {used} of the pictures ({width:g} x {height:g} and the like)"
        cure = (
            "the coordinates are of a smaller display of the picture: import them with shown=SCALE, such as shown=0.5"
        )
        yield Mistake("picture shown at another size", evidence, cure, bool((high < 0.6).all()))
    yield from _about_centre(gaze, shares)
    yield from _bars(gaze, shares)


def _about_centre(gaze: Gazed, shares: NDArray[np.float64]) -> Iterator[Mistake]:
    """Say where pictures were larger or smaller on the screen than is said, about the same centre."""
    off = float(((shares < 0) | (shares >= 1)).any(1).mean())
    sides = [float((shares < 0).any(1).mean()), float((shares >= 1).any(1).mean())]
    name = "picture shown at another size"
    if off >= 0.3 and min(sides) >= 0.3 * max(sides):
        scale = float(np.median(np.abs(shares - 0.5) / 0.25))
        evidence = f"{off:.0%} of the points lie off the pictures, on all sides"
        yield Mistake(name, evidence, f"the pictures were shown about {scale:.1f} times as large: correct shown=")
    elif off >= 0.15:
        evidence = f"{off:.0%} of the points lie off the pictures"
        yield Mistake("many points off the pictures", evidence, "correct where and how large they were shown", False)
    low, high = np.quantile(shares, [0.005, 0.995], axis=0)
    part = float((high - low).max())
    if (
        part < 0.65
        and (low > 0.1).all()
        and (high < 0.9).all()
        and _gain(gaze, lambda p: (p - 0.5) / part + 0.5) > SURE
    ):
        evidence = (
            f"nobody looks beyond the middle {part:.0%} of the pictures, and the contrast is where gaze would be spread"
        )
        yield Mistake(name, evidence, "the pictures were shown smaller: correct shown=", False)


def _too_far(
    points: NDArray[np.float64], sizes: NDArray[np.float64], shares: NDArray[np.float64], right: float
) -> Iterator[Mistake]:
    """Say why points reach beyond the right and lower border alone: an offset where a shift mends it, else a scale."""
    shift = np.maximum(np.median(shares, axis=0) - 0.5, 0)
    shift[shift < 0.04] = 0
    moved = shares - shift
    mended = 1 - float(((moved >= 0) & (moved < 1)).all(1).mean())
    reach = " and ".join(
        f"{axis} to {value:.0f}" for axis, value in zip("xy", np.quantile(points, 0.995, 0), strict=True)
    )
    evidence = f"{right:.0%} of the points lie beyond the right or lower border alone ({reach})"
    empty = np.quantile(shares, 0.005, axis=0)
    if shift.any() and mended <= 0.3 * right and (empty >= 0.5 * shift)[shift > 0].all():
        offset = np.round(np.median(shift * sizes, axis=0))
        cure = (
            f"import them with shown= and position=, which takes an offset of about {offset[0]:g}, {offset[1]:g} away"
        )
        yield Mistake("offset of the picture ignored", evidence, cure)
        return
    top = np.quantile(points, 0.999, axis=0)
    screen = next((f"{w} x {h}" for w, h in SCREENS if top[0] < w and top[1] < h), "a large screen")
    cure = f"they seem to be of another size, such as a screen of {screen}: import them with screen= and shown="
    yield Mistake("coordinates of another size", evidence, cure)


def _bars(gaze: Gazed, shares: NDArray[np.float64]) -> Iterator[Mistake]:
    """Say where the bars beside a picture that fitted the screen were taken for part of it."""
    ratio = gaze.sizes[:, 0] / gaze.sizes[:, 1]
    if len(shares) < ENOUGH or np.ptp(ratio) > 0.02:
        return
    for w, h in {(16, 9), (16, 10), (4, 3), (5, 4)}:
        part = float(ratio[0]) / (w / h)
        axis, part = (0, part) if part < 1 else (1, 1 / part)
        bar = (1 - part) / 2
        inside = ((shares[:, axis] > bar) & (shares[:, axis] < 1 - bar)).mean()
        if bar < 0.04 or inside < 0.995:
            continue

        def spread(values: NDArray[np.float64], axis: int = axis, bar: float = bar) -> NDArray[np.float64]:
            out = values.copy()
            out[:, axis] = (out[:, axis] - bar) / (1 - 2 * bar)
            return out

        if _gain(gaze, spread) > SURE:
            side = "left and right" if axis == 0 else "above and below"
            evidence = (
                f"nobody looks at {bar:.0%} of the pictures {side}, and the contrast is where gaze would be without"
            )
            cure = f"bars of a {w}:{h} screen were taken for the picture: import it with screen= and shown=fit"
            yield Mistake("bars beside the picture ignored", evidence, cure, False)
            return


def _contrast(gaze: Gazed) -> Iterator[Mistake]:
    """Say where the pictures' contrast lies where gaze would be the other way round."""
    turns: dict[str, tuple[Turn, str]] = {
        "x mirrored": (
            lambda p: np.stack([1 - p[:, 0], p[:, 1]], 1),
            "x counts from the right: subtract it from the width",
        ),
        "y up": (
            lambda p: np.stack([p[:, 0], 1 - p[:, 1]], 1),
            "y counts from the other side: with origin=lower-left, or without",
        ),
        "x mirrored and y up": (
            lambda p: 1 - p,
            "both count from the lower right: subtract them from width and height",
        ),
        "x and y exchanged": (lambda p: p[:, ::-1], "exchange them"),
    }
    gains = {name: _gain(gaze, turn) for name, (turn, _) in turns.items()}
    name = max(gains, key=lambda name: gains[name])
    if gains[name] > SURE:
        asked = sum(number in gaze.contrasts for number in np.unique(gaze.picture).tolist())
        evidence = (
            f"over {asked} pictures, more contrast lies where people would look with {name} ({gains[name]:.1f} "
            "standard errors)"
        )
        yield Mistake(name, evidence, f"look at the overlays; if so, {turns[name][1]}", False)


def _gain(gaze: Gazed, turn: Turn) -> float:
    """Return by how many standard errors, over pictures, contrast at the points is greater when these are turned."""
    shares = (gaze.points + 0.5) / gaze.sizes
    on = ((shares >= 0) & (shares < 1)).all(1)
    gains = []
    order = np.argsort(gaze.picture[on], kind="stable")
    numbers, starts = np.unique(gaze.picture[on][order], return_index=True)
    for number, part in zip(numbers.tolist(), np.split(shares[on][order], starts[1:]), strict=True):
        found = gaze.contrasts.get(number)
        if found is not None:
            gains.append(mean_contrast(found, turn(part)) - mean_contrast(found, part))
    if len(gains) < PICTURES:
        return 0.0
    error = float(np.std(gains, ddof=1)) / len(gains) ** 0.5
    return float(np.mean(gains)) / error if error > 0 else 0.0


def _durations(gaze: Gazed) -> Iterator[Mistake]:
    known = np.zeros(0) if gaze.durations is None else gaze.durations[gaze.durations > 0]
    if not len(known):
        return
    middle = float(np.median(known))
    if middle < 10:
        yield Mistake("durations in seconds", f"half of the durations are below {middle:g} ms", "multiply them by 1000")
    elif middle > 10_000:
        evidence = f"half of the durations are above {middle:g} ms"
        yield Mistake("durations in microseconds", evidence, "divide them by 1000")
