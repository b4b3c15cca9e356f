"""What the model cards say that no report does, see cards.py."""

ABOUT = {
    "dc": "Deep clustering: four Bi-GRU layers embed every time-frequency bin, k-means over the "
    "song makes two clusters, and the one with the smaller share of its bins below 200 Hz is taken "
    "as the vocals.",
    "hdc": "The hybrid: the clustering network with a second, softmax head that predicts the "
    "vocals' and the accompaniment's masks.",
    "unet": "A U-net on the log-mel: four strided 5x5 convolutions down, four transposed 4x4 ones "
    "up, and residual layers at its two lowest levels.",
    "uhnet": "The hybrid U-net: three input channels, the log-mel and the two softmax masks of "
    "the frozen `hdc`, which is inside this file.",
}
WEAK = {
    "dc": "It is the weakest model here, shipped to show the method. The rule of 200 Hz may choose "
    "the wrong cluster, above all with low voices (`--swap`); whether a song has vocals at all "
    "is decided by how far its two clusters lie apart, at times wrongly; its masks are binary, "
    "which is heard as chirping.",
    "hdc": "Its masks are blurred: quiet vocals are lost under loud music, and music leaks "
    "through. With `--method clusters` a song with faint vocals may come out silent.",
    "unet": "Parts of instrumental music that resemble a voice remain audible, and western "
    "voices are separated less well than those of MIR-1K.",
    "uhnet": "As the unet: parts of instrumental music that resemble a voice remain audible, and "
    "western voices are separated less well than those of MIR-1K. Its training went on from the "
    "mean of its own weights and of the unet's, so what it gains over the unet is not the masks' "
    "alone.",
}
INVENTED = """
- invented music, which needs nobody's licence: `recipes/shipped/synthetic_music.py`, by FluidSynth
  with the soundfont FluidR3 GM (MIT)."""
USE = """\
Any program that has TensorFlow can run it: float32, 16 kHz mono, full scale 1.0.

```python
import tensorflow as tf

model = tf.saved_model.load("{model}")  # this folder
{call}
```

vocaltrack's README has all signatures ("The SavedModels"); its `Separator` runs this model on
audio of any rate and with any number of channels."""
SEPARATES = """\
waveform = tf.zeros([1, 16000])  # [batch, samples], any length
vocals = model.signatures["serving_default"](waveform=waveform)["vocals"]"""
EMBEDS = """\
log_mel = tf.zeros([1, 128, 128])  # [batch, time, mel] in dB
embeddings = model.signatures["embeddings"](log_mel=log_mel)["embeddings"]"""
DATA = """\
- MIR-1K, 79 songs of the train split (free for research), Mandarin pop by amateurs;
- three songs of the Cambridge-MT multitrack library (educational, non-commercial): John McKay,
  *Daisy Daisy*; Londres Appelle; HeartOnMyThumb, *How To Kill A Conversation*;
- solo singing: RAVDESS (CC BY-NC-SA 4.0), GTSinger demonstrations (CC BY-NC-SA 4.0, which we did
  not verify), PESnQ 2017 (for research; a licence of the audio is not named), MTG Turkish makam
  a cappella sections (CC BY 4.0), Choral Singing Dataset (CC BY 4.0, which we did not verify);
- instrumental music of free games (GPL, CC BY, CC BY-SA, CC0) and the accompaniments of two songs
  by Software-Entwicklungskit (CC0){invented}

`assets/contract.json` lists every song that was heard, those of games as
`<package>__<track>`. Songs and singers of the validation split were never heard in training.

The weights are for research and non-commercial use only, since much of this is."""
