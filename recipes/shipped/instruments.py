"""The numbers of General MIDI's instruments, programs from 0; what sings is left out."""

KITS = (0, 8, 16, 24, 25, 32, 40)
KICK, SNARES, HATS, OPEN_HAT, RIDES, CRASH = 36, (37, 38, 39, 40), (42, 44), 46, (51, 53), 49
TOMS = (41, 43, 45, 47, 48, 50)
PERCUSSION = (54, 56, 60, 61, 62, 63, 64, 69, 70, 75, 82)
VOICES = (52, 53, 54, 85, 91)  # choir, "oohs", synthetic voices
GUITARS, BASSES, BOWED, BRASS = range(24, 32), range(32, 40), range(40, 47), range(56, 64)
KEYS, BELLS, ORGANS, STRINGS = range(8), range(9, 14), range(16, 24), range(48, 52)
WINDS, LEAD_SYNTHS, PADS, ETHNIC = range(64, 80), range(80, 88), range(88, 96), range(104, 112)


def without_voices(*families):
    """The programs of families of instruments, but for those that sing."""
    return tuple(p for programs in families for p in programs if p not in VOICES)


CHORDS = without_voices(KEYS, BELLS, ORGANS, GUITARS, STRINGS, BRASS, PADS)
LEADS = without_voices(GUITARS, BOWED, BRASS, WINDS, LEAD_SYNTHS, ETHNIC)
BEND_SEMITONES = 2.0  # of a full pitch bend, as General MIDI has it
