"""Reader of a video file's frames, by presentation time, upright; it decodes no more of the file than it needs."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from haa.data.files.image import PIXELS
from haa.errors import InputError, needs, reason
from haa.gaze import Size

FRAMES = 5_000_000
"""Largest number of frames of a video: a day at 60 a second."""

FORMATS = "mov,avi,matroska,mpeg,mpegvideo,mpegts,asf,flv,ogg,gif,m4v,h264,hevc"
"""Formats that are read, under FFmpeg's names; FFmpeg knows others, such as playlists, that name further files."""

_OPTIONS = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}


class _Askew(Exception):
    """A frame is turned by an angle that is no right one."""


class Video:
    """Video file whose k-th frame is the k-th to be shown, whatever the order in the file.

    The constructor reads the packets' time stamps, and decodes the first frame to learn how the video lies: phones film
    lying, and note how to turn it. Pixels stay as they are stored where they are not square. `frames` decodes from the
    last key frame before a frame that is asked for, and keeps only the frames asked for in memory. An AVI has no time
    stamps: its frames, which come at a constant rate, are counted by decoding from the beginning. This class needs
    PyAV: ``pip install 'haa[video]'``.

    Args:
        path: A file of one of the `FORMATS`.

    Raises:
        InputError: If the file is missing, damaged or holds no video, or PyAV is not installed.

    Attributes:
        times: When each frame is shown, in seconds of the file's own clock, ascending.
        size: Height and width, ``(h, w)``, in pixels, as shown.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with self._opened() as (container, stream):
            base, rate = stream.time_base, stream.average_rate
            # an AVI stores no time stamps, and FFmpeg guesses wrong ones where frames are stored out of order
            counted = "avi" in container.format.name
            packets = (packet for packet in container.demux(stream) if packet.size and not packet.is_discard)
            stamps = [(packet.pts, packet.is_keyframe) for packet in islice(packets, FRAMES + 1)]
        counted = counted or any(pts is None for pts, _ in stamps)
        if counted:
            with self._opened() as (container, stream):
                stamps = [(k, False) for k, _ in enumerate(islice(container.decode(stream), FRAMES + 1))]
            base = 1 / rate if rate else None
        if not stamps or base is None:
            raise InputError(f"{path} does not say when its frames are shown: convert it, to mp4 for one")
        if len(stamps) > FRAMES:
            raise InputError(f"{path} has more than {FRAMES} frames: cut it")
        stamps.sort()
        self._pts = [pts for pts, _ in stamps]
        self._keys = [pts for pts, key in stamps if key]
        self._counted = counted
        self.times = [float(pts * base) for pts in self._pts]
        with self._opened() as (container, stream):
            first = next(container.decode(stream), None)
            height, width = (stream.height, stream.width) if first is None else _pixels(first).shape[-2:]
            self.size: Size = (height, width)

    def __len__(self) -> int:
        return len(self._pts)

    def at(self, seconds: Sequence[float]) -> list[int]:
        """Return which frame is on screen at each of these times of the file's clock; the first before it begins."""
        # rounding may have put a time that was computed from a frame's own time just before it
        return [max(0, bisect.bisect_right(self.times, second + 1e-6) - 1) for second in seconds]

    def frames(self, indices: Sequence[int]) -> UInt8[Tensor, "t 3 h w"]:
        """Return these frames, in RGB, in the order of ``indices``.

        Raises:
            InputError: If there is no such frame, or it cannot be decoded.
        """
        wrong = [index for index in indices if not 0 <= index < len(self)]
        if wrong:
            raise InputError(f"{self.path} has {len(self)} frames: there is no frame {wrong[0]}")
        wanted = sorted({self._pts[index] for index in indices})
        pixels_by_pts = {} if self._counted else self._by_seeking(wanted)
        missing = set(wanted) - pixels_by_pts.keys()
        if missing:
            pixels_by_pts |= self._one_by_one(missing)
        sizes = {tuple(pixels.shape[-2:]) for pixels in pixels_by_pts.values()}
        if sizes - {self.size}:
            raise InputError(f"{self.path} has frames of {sizes | {self.size}} (height, width): give one size to all")
        return torch.stack([pixels_by_pts[self._pts[index]] for index in indices])

    def _by_seeking(self, wanted: list[int]) -> dict[int, Tensor]:
        """Return the frames that are found by decoding from the last key frame before each, by time stamp."""
        pixels_by_pts: dict[int, Tensor] = {}
        with self._opened() as (container, stream):
            decoder, now = container.decode(stream), -math.inf
            for pts in wanted:
                keys_before = bisect.bisect_right(self._keys, pts)
                if keys_before and max(now, self._pts[0]) < (key := self._keys[keys_before - 1]):
                    container.seek(key, stream=stream)
                    decoder = container.decode(stream)
                for frame in decoder:
                    now = -math.inf if frame.pts is None else frame.pts
                    if now == pts:
                        pixels_by_pts[pts] = _pixels(frame)
                    if now >= pts:
                        break
        return pixels_by_pts

    def _one_by_one(self, wanted: set[int]) -> dict[int, Tensor]:
        """Return the frames that seeking does not find, by time stamp; decode from the beginning."""
        pixels_by_pts: dict[int, Tensor] = {}
        with self._opened() as (container, stream):
            for count, frame in enumerate(container.decode(stream)):
                number = count if self._counted else frame.pts
                if number in wanted:
                    pixels_by_pts[number] = _pixels(frame)
                    if len(pixels_by_pts) == len(wanted):
                        return pixels_by_pts
        raise InputError(f"{self.path} has lost {len(wanted - pixels_by_pts.keys())} frames: fetch it again")

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, Any]]:
        needs("reading video", "haa[video]", "av")
        import av

        try:
            with av.open(str(self.path), options=_OPTIONS) as container:
                if not container.streams.video:
                    raise InputError(f"{self.path} holds no video: give a file that does")
                stream = container.streams.video[0]
                if not 0 < stream.width * stream.height <= PIXELS:
                    raise InputError(
                        f"{self.path} has frames of {stream.width} x {stream.height} pixels, of which it must have 1 "
                        f"to {PIXELS}: convert it"
                    )
                # a frame may say that it is larger than the file says
                stream.codec_context.options = {"max_pixels": str(PIXELS)}
                # one thread per file is enough, because loaders run processes; it hands out frames in order
                stream.thread_type = "NONE"
                yield container, stream
        except InputError:
            raise
        except _Askew:
            raise InputError(f"{self.path} is turned by an angle that is no right one: convert it") from None
        except FileNotFoundError:
            raise InputError(f"{self.path} is missing: fetch it, or correct data.root") from None
        except Exception as error:  # of a broken file, PyAV raises any of a dozen types
            raise InputError(f"{self.path} cannot be decoded ({reason(error)}): fetch the file again") from None


def clips(frames: int, length: int, step: int = 1) -> list[range]:
    """Return the frames of each clip of a video: clips follow one another, and the last one ends with the video.

    Args:
        frames: Number of frames of the video.
        length: Number of frames of a clip.
        step: Distance from one frame of a clip to the next, in frames of the video.

    Raises:
        InputError: If the video is shorter than a clip, or ``length`` or ``step`` is not positive.

    Example:
        >>> clips(10, 4), clips(10, 3, step=2)
        ([range(0, 4), range(4, 8), range(6, 10)], [range(0, 5, 2), range(5, 10, 2)])
    """
    span = (length - 1) * step + 1
    if length < 1 or step < 1 or frames < span:
        raise InputError(f"a video of {frames} frames cannot give a clip of {length} at a step of {step}: give less")
    starts = [*range(0, frames - span + 1, length * step)]
    if starts[-1] + span < frames:
        starts.append(frames - span)
    return [range(start, start + span, step) for start in starts]


def _pixels(frame: Any) -> Tensor:
    """Return a frame's pixels, turned and mirrored as its display matrix says."""
    # threads of the conversion would not live on in a forked process, a loader's worker say, and it waits for them
    # without end where it frees a frame of its parent's; older versions of PyAV have none, and no such argument
    one = {"threads": 1} if "threads" in (getattr(frame, "reformat", _pixels).__doc__ or "") else {}
    pixels, matrix = frame.to_ndarray(format="rgb24", **one), frame.side_data.get("DISPLAYMATRIX")
    if matrix is not None:
        # a column p and a row q are shown at x = a p + c q and y = b p + d q
        a, b, _, c, d = np.frombuffer(bytes(matrix), np.int32, 5)
        if (a or d) and (b or c):
            raise _Askew
        if not a:
            pixels, a, d = pixels.swapaxes(0, 1), c, b
        pixels = pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
