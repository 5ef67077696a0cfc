"""NumPy arrays between chainlets: large ones as bytes, small ones as JSON."""

from chainlets.chains.numbers.chain import Bands, Numbers, Peaks, Spectrum

__all__ = ["Bands", "Numbers", "Peaks", "Spectrum"]
