"""Audio in, vocals and accompaniment out, through a SavedModel."""

import contextlib
import dataclasses
from concurrent.futures import ThreadPoolExecutor
from numbers import Real

import numpy as np

from vocaltrack.audio import as_audio, check_shape, open_audio
from vocaltrack.clustering import SongSample, binary_masks, vocal_side
from vocaltrack.config import BLOCK, METHODS, MOST_OVERLAP, OVERLAP, PHASES, check_choice
from vocaltrack.contract import choose_method, find_model
from vocaltrack.errors import UserError
from vocaltrack.file_separation import plan_targets, separate_file
from vocaltrack.gains import GainStream
from vocaltrack.griffin_lim import GriffinLimStream
from vocaltrack.mask_stream import AT_ONCE, ChunkPieces, Downmix, MaskStream, piece_to_chunks
from vocaltrack.pipes import ahead, flag_last
from vocaltrack.savedmodel import check_process, load


@dataclasses.dataclass(frozen=True)
class Separation:
    """What came of a mixture.

    Attributes:
        vocals: float32, of the input's shape: [samples, channels] or [samples].
        accompaniment: float32 of that shape, the input minus the vocals.
        mask: float32 [frames, n_mels], the vocals' mel mask.
    """

    vocals: np.ndarray
    accompaniment: np.ndarray
    mask: np.ndarray


class Separator:
    """Separates vocals from music.

    Loads its model once; may be used by several threads at a time.

    Args:
        model: dc, hdc, unet, uhnet, or the folder of a SavedModel.
        method: for hdc: "head" takes the mask head's mask, "clusters" the
            k-means of its embeddings. None for the model's own: clusters for
            dc, the mask for the others.
        phase: "mixture" uses the mask as a gain on the complex mixture;
            "griffinlim" is the paper's way, whose SDR is near -3 dB.
        swap: for clusters: take the other cluster as the vocals.
        overlap: share of a network's chunk that the next one covers too, 0 to
            0.9; more is better and slower.

    Raises:
        UserError: there is no such model, it has no such method, or another
            argument is none of the above.
    """

    def __init__(self, model="uhnet", method=None, phase="mixture", swap=False, overlap=OVERLAP):
        check_choice("phase", phase, PHASES)
        if method is not None:
            check_choice("method", method, METHODS)
        if not isinstance(overlap, Real) or not 0.0 <= overlap <= MOST_OVERLAP:
            raise UserError(f"an overlap of {overlap}; it must be from 0 to {MOST_OVERLAP}")
        self.model = load(find_model(model))
        self.method = choose_method(self.model.name, method, swap)
        self.phase, self.swap, self.overlap = phase, swap, overlap
        self.features = self.model.features

    def separate(self, audio, sample_rate, progress=None):
        """Separate a mixture of any length, rate and number of channels.

        One mask, from the mean of the channels, is the gain of each channel.
        Above 8 kHz, which the network does not hear, the gain is that of its
        highest bands.

        Args:
            audio: float [samples, channels] or [samples], full scale at 1.0, at
                least one sample, all finite.
            sample_rate: Hz, 4000 to 384000.
            progress: called with the seconds done, now and then, in the caller's thread; not in
                the clusters' first pass.

        Returns:
            `Separation`, of the input's length, rate and channels.

        Raises:
            UserError: the audio is none of the above, or the process was forked from one in
                which TensorFlow had run.
        """
        audio = as_audio(audio)
        channels = audio if audio.ndim == 2 else audio[:, np.newaxis]

        def blocks():
            return (channels[i : i + BLOCK] for i in range(0, len(channels), BLOCK))

        parts, masks, done = [], [], 0
        for _, vocals, mask in self.stream(blocks, sample_rate, channels.shape[1]):
            parts.append(vocals)
            masks.append(mask)
            done += len(vocals)
            if progress is not None and len(vocals):
                progress(done / sample_rate)
        vocals = np.concatenate(parts).reshape(audio.shape)
        return Separation(vocals, (audio - vocals).astype(np.float32), np.concatenate(masks))

    def separate_file(
        self,
        source,
        vocals=None,
        accompaniment=None,
        subtype=None,
        clip="rescale",
        start=0.0,
        duration=None,
        progress=None,
    ):
        """Separate an audio file into files, in bounded memory.

        Args:
            source: path of the mixture, any that `open_audio` reads.
            vocals, accompaniment: paths to write; the ending chooses the
                format; None leaves one out.
            subtype: sample format, e.g. "PCM_24"; None for the source's where
                the target's format has it.
            clip: where samples exceed the full scale of a format that is not floating point:
                "rescale" makes all files quieter by one factor, "clamp" cuts
                them off, "float" writes floating point instead.
            start, duration: seconds of the source to leave out and to take;
                None takes all.
            progress: called with the seconds done, now and then, in the caller's thread; not in
                the clusters' first pass, and from the start again where stems that are too
                loud are written once more.

        Returns:
            `Written`.

        Raises:
            UserError: the source cannot be read or a target not be written;
                no target is left behind then.
        """
        file = open_audio(source, start, duration)
        paths = {"vocals": vocals, "accompaniment": accompaniment}
        paths = {stem: path for stem, path in paths.items() if path is not None}
        if not paths:
            raise UserError("nothing to write; give a path for the vocals or the accompaniment")
        targets = plan_targets(file, paths, subtype, clip)
        return separate_file(self, file, targets, clip, progress)

    def stream(self, blocks, sample_rate, channels, masks=None):
        """Separate block by block, in bounded memory.

        Args:
            blocks: function that returns an iterator over the mixture, float
                [n, channels] each; clusters go through it twice.
            sample_rate: Hz, 4000 to 384000.
            channels: number of channels, at most 64.
            masks: list of those that were yielded for the same blocks before; no network
                is asked again.

        Yields:
            (mixture, vocals, mask) for each block, in clusters' first pass too:
            the same stretch of the mixture and the vocals, [n, channels], and
            the mel mask's frames that became known, [frames, n_mels]; all may
            be empty.

        Raises:
            UserError: with the first block, for a rate or a number of channels that no
                recording has, and as `separate` does.
        """
        check_shape(sample_rate, channels, "the audio")
        check_process()
        sample_rate = int(sample_rate)
        gains = GainStream(channels, sample_rate, self.features)
        griffin_lim = None
        if self.phase == "griffinlim":
            griffin_lim = GriffinLimStream(channels, sample_rate, gains.size)
        waiting = np.zeros((0, channels), np.float32)
        if masks is None:
            masked = self._masks(blocks, sample_rate)
        else:
            masked = self._known_masks(blocks, sample_rate, masks)
        with contextlib.closing(ahead(masked)) as masked:
            for block, mask, last in masked:
                vocals = gains.push(block, mask, last)
                if griffin_lim is not None:
                    vocals = griffin_lim.push(vocals, last)
                waiting = np.concatenate([waiting, block])
                mixture, waiting = waiting[: len(vocals)], waiting[len(vocals) :]
                yield mixture, vocals, mask

    def _masks(self, blocks, sample_rate):
        """Blocks of the mixture with the mask's frames that became known, and
        whether they are the last; the mask lags behind."""
        masks = self.model.masks
        if self.method == "clusters":
            masks = yield from self._clusters(blocks, sample_rate)
        with (
            ThreadPoolExecutor(AT_ONCE) as pool,
            contextlib.closing(ahead(self._downmixed(blocks, sample_rate))) as downmixed,
        ):
            stream = MaskStream(masks, self.features, self.overlap, pool)
            for block, mono, last in downmixed:
                yield block, stream.push(mono, last), last

    def _known_masks(self, blocks, sample_rate, masks):
        """The same of masks that are known, which come in step with the blocks."""
        frames_per_sample = self.features.sample_rate / self.features.hop_length / sample_rate
        left, samples, frames = iter(masks), 0, 0
        for block, last in flag_last(blocks()):
            samples += len(block)
            due = [self._no_mask, *(left if last else ())]
            while frames < samples * frames_per_sample and (mask := next(left, None)) is not None:
                due.append(mask)
                frames += len(mask)
            yield block, np.concatenate(due), last

    @property
    def _no_mask(self):
        return np.zeros((0, self.features.n_mels), np.float32)

    def _downmixed(self, blocks, sample_rate):
        """Blocks of the mixture with the mono signal that became known, and
        whether they are the last; the mono signal lags behind."""
        downmix = Downmix(sample_rate, self.features.sample_rate)
        for block, last in flag_last(blocks()):
            yield block, downmix.push(block, last), last

    def _clusters(self, blocks, sample_rate):
        """Returns a song's function from chunks to binary masks, see `vocal_side`.

        Yields nothing of every block, so that who waits for this first pass can
        end it between two of them.
        """
        pieces = ChunkPieces(self.features, overlap=0.0)
        sample = SongSample(self.features)
        for block, mono, last in self._downmixed(blocks, sample_rate):
            for piece, valid, _ in pieces.push(mono, last):
                sample.push(piece_to_chunks(piece, valid, self.features, 0.0).numpy())
            yield block[:0], self._no_mask, False
        embed = self.model.embeddings
        side = vocal_side(sample, embed, self.features, self.model.masks, self.swap)
        return lambda chunks: binary_masks(embed(chunks), *side)
