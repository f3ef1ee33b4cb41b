"""A video becomes a video: frames, times, sound, shape; and what interrupts that."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clips import moving_block, save, save_frames
from PIL import Image
from restoring import SPEC, Enlarge, Local, Mixing
from vidgan_apply.degraded import Degraded
from vidgan_apply.job import Job
from vidgan_apply.scores import Scores
from vidgan_apply.sinks import PictureSink, Sink, VideoSink
from vidgan_apply.source import Pictures, open_source
from vidgan_apply.working_folder import WorkingFolder

from vidgan_core.cli.progress import Stopped
from vidgan_core.errors import UsageError, VidganError
from vidgan_core.inference.apply import Applier, Cutting
from vidgan_core.interfaces import Generator
from vidgan_core.media.native import native_video
from vidgan_core.media.provenance import make_mark
from vidgan_core.media.video_source import read_video

MARK = make_mark("abc", 0)


class Half(Local):
    """The input as it is, each pixel doubled: what comes out is known."""

    def forward(self, noise: Any, condition: Any, *, frames: int | None = None) -> Any:
        """Repeat pixels."""
        made = super().forward(noise, condition, frames=frames)
        low = condition["low"]
        made.video[:] = low.repeat_interleave(2, 3).repeat_interleave(2, 4)
        return made


def job(
    source: Path,
    out: Path,
    *,
    make: type[Generator] = Half,
    watch: Callable[[int, int], None] = lambda done, total: None,
    comparison: Path | None = None,
    degrade: bool = False,
    sound: bool = True,
) -> Job:
    """A job of a toy network."""
    opened = open_source(source)
    folder = WorkingFolder.open(out, "same")
    task = Enlarge(SPEC)
    result: Sink
    if isinstance(opened, Pictures):
        result = PictureSink(
            out, folder.path, [file.stem for file in opened.files], MARK, source.is_file()
        )
    else:
        result = VideoSink(out, folder.path, "part", opened, MARK, sound=sound)
    return Job(
        Applier(make(SPEC).eval(), task, Cutting(window=4)),
        opened,
        result,
        VideoSink(comparison, folder.path, "compared", opened, MARK) if comparison else None,
        folder,
        watch,
        Degraded(task, "low", 2) if degrade else None,
        Scores() if degrade else None,
    )


def with_sound(path: Path, frames: int = 30, *, codec: str = "aac", **options: Any) -> Path:
    """A video with a tone; its frames come at uneven times."""
    pictures = moving_block(frames, 32, 48)
    steps = np.random.default_rng(3).integers(30, 70, frames)
    ticks = np.cumsum(steps) - steps[0] + options.pop("start", 0)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=20, options={"crf": "10"})
        video.height, video.width, video.pix_fmt = 32, 48, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        video.codec_context.sample_aspect_ratio = options.pop("aspect", Fraction(1))
        audio = container.add_stream(codec, rate=44100)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = int(ticks[number]), Fraction(1, 1000)
            container.mux(video.encode(frame))
        wave = np.sin(np.arange(1024 * 60) / 20).astype(np.float32)
        for at in range(0, len(wave), 1024):
            layout = "fltp" if codec == "aac" else "s16"
            samples = wave[None, at : at + 1024]
            samples = samples if codec == "aac" else (samples * 9000).astype(np.int16)
            part = av.AudioFrame.from_ndarray(samples, format=layout, layout="mono")
            part.sample_rate, part.pts = 44100, at
            container.mux(audio.encode(part))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


def sound_of(path: Path) -> list[str]:
    """A hash of each packet of a file's sound."""
    with av.open(str(path)) as container:
        packets = container.demux(container.streams.audio[0])
        return [hashlib.sha256(bytes(p)).hexdigest() for p in packets if p.size]


def times_of(path: Path) -> list[Fraction]:
    """When each frame is shown, in seconds."""
    with av.open(str(path)) as container:
        return [f.pts * f.time_base for f in container.decode(video=0)]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_times_and_sound_are_the_sources(tmp_path: Path, suffix: str) -> None:
    source, out = with_sound(tmp_path / "in.mp4"), tmp_path / f"out{suffix}"
    assert job(source, out).run() == 30
    assert sound_of(out) == sound_of(source)
    before, after = times_of(source), times_of(out)
    # Matroska has no times before 0, where the sound's priming is: all of it comes later
    late = after[0] - before[0] if suffix == ".mkv" else 0
    for one, two in zip(before, after, strict=True):
        assert abs(two - late - one) <= Fraction(1, 1000)  # Matroska's and the edit list's unit
    with av.open(str(source)) as a, av.open(str(out)) as b:
        assert abs(a.duration - b.duration) <= 60_000  # microseconds: a frame
        assert b.streams.video[0].codec_context.width == 96


def test_the_pixels_are_what_the_network_makes_of_the_sources(tmp_path: Path) -> None:
    frames = moving_block(20, 32, 48)
    source = save(tmp_path / "in.mp4", frames, crf="1")
    out = tmp_path / "out.mp4"
    job(source, out).run()
    low = read_video(source, 32, 48).repeat(2, axis=1).repeat(2, axis=2)
    difference = read_video(out, 64, 96).astype(int) - low
    assert np.abs(difference).mean() < 2  # of crf 17


def test_pixels_keep_their_shape_and_a_late_start_moves_sound_alike(tmp_path: Path) -> None:
    source = with_sound(tmp_path / "in.mkv", aspect=Fraction(4, 3), start=500)
    out = tmp_path / "out.mp4"
    job(source, out).run()
    with av.open(str(out)) as container:
        assert container.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
        first = container.streams.audio[0].start_time * container.streams.audio[0].time_base
    late = times_of(source)[0] - times_of(out)[0]
    with av.open(str(source)) as container:
        stream = container.streams.audio[0]
        assert abs(stream.start_time * stream.time_base - late - first) < Fraction(1, 20)


def test_a_turned_video_comes_out_upright(tmp_path: Path) -> None:
    frames = moving_block(6, 32, 48)
    save(tmp_path / "in.mp4", frames)
    turned = tmp_path / "turned.mp4"
    with av.open(str(tmp_path / "in.mp4")) as source, av.open(str(turned), "w") as container:
        stream = container.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(90) if hasattr(stream, "set_display_rotation") else None
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
    video = native_video(turned)
    out = tmp_path / "out.mp4"
    job(turned, out).run()
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert (stream.height, stream.width) == (2 * video.height, 2 * video.width)


@pytest.mark.parametrize("make", [Half, Mixing])
@pytest.mark.parametrize("after", [4, 12, 28])
def test_stopped_work_goes_on_where_it_was(
    tmp_path: Path, make: type[Generator], after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidgan_apply.job.FRAMES_A_PART", 8)
    source = with_sound(tmp_path / "in.mp4")
    whole, parts = tmp_path / "whole.mp4", tmp_path / "parts.mp4"
    job(source, whole, make=make, comparison=tmp_path / "side.mp4", degrade=True).run()

    def stop(done: int, total: int) -> None:
        if done >= after:
            raise Stopped

    compared = tmp_path / "compared.mp4"
    with pytest.raises(Stopped):
        job(source, parts, make=make, watch=stop, comparison=compared, degrade=True).run()
    assert not parts.exists()
    made: list[int] = []
    again = job(
        *(source, parts),
        make=make,
        comparison=compared,
        degrade=True,
        watch=lambda done, total: made.append(done),
    )
    assert again.run() == 30
    windows = -(-(30 - after) // 4)
    assert len([done for done in made if done > after]) == windows
    for one, two in ((parts, whole), (compared, tmp_path / "side.mp4")):
        # a part begins with a whole picture, and where parts begin is another matter
        assert np.abs(frames_of(one) - frames_of(two)).mean() < 2
    assert again.scores is not None
    assert len(again.scores.kept()["result"]) == 30
    again.folder.remove()
    assert not list(tmp_path.glob(".parts*"))


def frames_of(path: Path) -> Any:
    """All decoded frames (T, H, W, 3), of integers."""
    with av.open(str(path)) as container:
        return np.stack(
            [f.to_ndarray(format="rgb24") for f in container.decode(video=0)], dtype=int
        )


@pytest.mark.parametrize("make", [Half, Mixing])
def test_stopped_work_ends_in_the_same_pictures(tmp_path: Path, make: type[Generator]) -> None:
    source = save_frames(tmp_path / "in", moving_block(19, 31, 45))

    def stop(done: int, total: int) -> None:
        if done == 8:
            raise Stopped

    with pytest.raises(Stopped):
        job(source, tmp_path / "parts", make=make, watch=stop).run()
    for out in ("parts", "whole"):
        job(source, tmp_path / out, make=make).run()
    for number in range(19):
        names = (tmp_path / out / f"f{number}.png" for out in ("parts", "whole"))
        one, two = (name.read_bytes() for name in names)
        assert one == two


def test_what_can_be_read_of_a_damaged_file_is_made(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.mp4", moving_block(30, 32, 48))
    source = tmp_path / "in.mp4"
    options = {"movflags": "faststart"}  # the index first, so that what is left can be read
    with (
        av.open(str(whole)) as opened,
        av.open(str(source), "w", container_options=options) as container,
    ):
        stream = container.add_stream_from_template(opened.streams.video[0])
        for packet in opened.demux(video=0):
            if packet.size:
                packet.stream = stream
                container.mux(packet)
    content = source.read_bytes()
    source.write_bytes(content[: len(content) * 6 // 10])
    work = job(source, tmp_path / "out.mp4")
    count = work.run()
    assert 0 < count < 30
    assert work.source.damage
    assert len(times_of(tmp_path / "out.mp4")) == count


def test_a_folder_of_pictures_becomes_one(tmp_path: Path) -> None:
    frames = moving_block(11, 31, 45)
    source = save_frames(tmp_path / "in", frames)
    work = job(source, tmp_path / "out")
    assert work.run() == 11
    work.folder.remove()
    made = [np.asarray(Image.open(tmp_path / "out" / f"f{n}.png")) for n in range(11)]
    np.testing.assert_array_equal(np.stack(made), frames.repeat(2, axis=1).repeat(2, axis=2))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in", "out"]


def test_one_picture_becomes_one(tmp_path: Path) -> None:
    frames = moving_block(1, 31, 45)
    Image.fromarray(frames[0]).save(tmp_path / "in.png")
    job(tmp_path / "in.png", tmp_path / "out.png").run()
    made = np.asarray(Image.open(tmp_path / "out.png"))
    np.testing.assert_array_equal(made, frames[0].repeat(2, axis=0).repeat(2, axis=1))


def test_a_picture_of_another_size_is_named(tmp_path: Path) -> None:
    folder = save_frames(tmp_path / "in", moving_block(3, 32, 32))
    Image.new("RGB", (9, 9)).save(folder / "g.png")
    with pytest.raises(VidganError, match=r"g\.png is 9x9"):
        job(folder, tmp_path / "out").run()


def test_the_comparison_shows_input_baseline_result_and_truth(tmp_path: Path) -> None:
    source = save(tmp_path / "in.mp4", moving_block(6, 32, 48), crf="1")
    side = tmp_path / "side.mp4"
    job(source, tmp_path / "out.mp4", comparison=side, degrade=True).run()
    shown = read_video(side, 32, 3 * 48).astype(int)  # this task has no baseline
    given, result, truth = np.split(shown, 3, axis=2)
    assert np.abs(given - result).mean() < 3
    assert np.abs(truth - read_video(source, 32, 48)).mean() < 3
    assert np.abs(given - truth).mean() > 1


def test_scores_are_those_of_a_hand_written_formula() -> None:
    rng = np.random.default_rng(0)
    truth, other = (rng.integers(0, 256, (3, 8, 9, 3), np.uint8) for _ in range(2))
    scores = Scores()
    for at in range(3):
        scores.add(truth[at : at + 1], {"result": other[at : at + 1]})
    total = 0.0
    for one, two in zip(truth, other, strict=True):
        y1, y2 = (0.299 * f[..., 0] + 0.587 * f[..., 1] + 0.114 * f[..., 2] for f in (one, two))
        total += 20 * np.log10(255) - 10 * np.log10(((y1 - y2) ** 2).mean())
    assert scores.means()["result"] == pytest.approx(total / 3)


def test_other_work_is_not_gone_on_with(tmp_path: Path) -> None:
    folder = WorkingFolder.open(tmp_path / "out.mp4", "one")
    (folder.path / "part-000000.nut").write_bytes(b"old")
    folder.save(1, 4, {}, {})
    with pytest.raises(UsageError, match="another process"):
        WorkingFolder.open(tmp_path / "out.mp4", "one")
    del folder  # and its lock
    other = WorkingFolder.open(tmp_path / "out.mp4", "two")
    assert (other.windows, other.frames) == (0, 0)
    assert not list(other.path.glob("*.nut"))


def test_a_strange_file_in_the_working_folder_stays(tmp_path: Path) -> None:
    folder = WorkingFolder.open(tmp_path / "out.mp4", "one")
    (folder.path / "notes.txt").write_text("mine")
    folder.remove()
    assert (folder.path / "notes.txt").read_text() == "mine"


@pytest.mark.slow
def test_the_memory_of_a_long_video_is_that_of_a_short_one(tmp_path: Path) -> None:
    """Ten minutes at 25 frames a second; what is taken after the first 200 frames is counted."""
    source = tmp_path / "in.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = 272, 640, "yuv420p"
        shown = moving_block(25, 272, 640)
        for number in range(15_000):
            frame = av.VideoFrame.from_ndarray(shown[number % 25], format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    taken: dict[int, int] = {}

    def watch(done: int, total: int) -> None:
        taken[done] = int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    assert job(source, tmp_path / "out.mp4", watch=watch).run() == 15_000
    early = max(size for done, size in taken.items() if done <= 200)
    late = max(size for done, size in taken.items() if done > 200)
    print(f"{(late - early) / 2**20:.1f} MiB more after the first 200 frames")
    assert late - early < 50 * 2**20
