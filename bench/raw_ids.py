"""Made-up ids that look like those of the Amazon review data: numbers in, fixed-width text out.

Text is a matrix of ASCII codes, one row per id; a 0 stands for no character. Different numbers
below 200 million have different ids. Nothing is drawn: a number always has the same id.
"""

import numpy as np

ITEM_WIDTH = 10
USER_WIDTH = 21
PRIME = 1_000_000_007

_ALPHABET = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", np.uint8)
_TRIPLES = np.stack([_ALPHABET[np.arange(36**3) // 36**k % 36] for k in (2, 1, 0)], axis=1)
_LENGTHS = np.repeat(  # of user ids, one drawn for each: most have 13 or 14 characters
    np.array([10, 11, 12, 13, 14, 15, 20, 21], np.uint8), [1, 1, 6, 76, 168, 2, 1, 1]
)


def user_text(numbers: np.ndarray) -> np.ndarray:
    """[n] int64 -> [n, USER_WIDTH] uint8, like A2M4P0Z81QX7RB: 10 to 21 characters."""
    bits = _mixed(numbers)
    text = np.empty((len(numbers), USER_WIDTH + 1), np.uint8)
    text[:, 0] = ord("A")
    unique = numbers * PRIME % 36**6  # one to one: they have no common factor
    text[:, 1:4], text[:, 4:7] = _TRIPLES[unique // 36**3], _TRIPLES[unique % 36**3]
    for triple in range(2, 7):
        text[:, 3 * triple + 1 : 3 * triple + 4] = _TRIPLES[(bits >> (9 * triple)) % 36**3]
    lengths = _LENGTHS[bits % len(_LENGTHS)]
    text[np.arange(text.shape[1], dtype=np.uint8) >= lengths[:, None]] = 0
    return text[:, :USER_WIDTH]


def item_text(numbers: np.ndarray) -> np.ndarray:
    """[n] int64 -> [n, ITEM_WIDTH] uint8: three in four like 0312577220 (an ISBN of ten digits, the
    last may be X), the others like B00A1B2C3D."""
    isbn = _isbn(numbers * 48_271 % 200_000_003)  # two primes
    return np.where((numbers % 4 == 3)[:, None], _asin(numbers), isbn)


def _asin(numbers: np.ndarray) -> np.ndarray:
    """[n, 10] uint8: B00A and six letters or digits."""
    unique = numbers * PRIME % 36**6
    text = np.empty((len(numbers), ITEM_WIDTH), np.uint8)
    text[:, :4] = np.frombuffer(b"B00A", np.uint8)
    text[:, 4:7], text[:, 7:] = _TRIPLES[unique // 36**3], _TRIPLES[unique % 36**3]
    return text


def _isbn(numbers: np.ndarray) -> np.ndarray:
    """[n, 10] uint8: nine decimal digits and the check digit of an ISBN."""
    digits = numbers[:, None] // 10 ** np.arange(8, -1, -1) % 10
    check = digits @ np.arange(1, 10) % 11
    text = np.empty((len(numbers), ITEM_WIDTH), np.uint8)
    text[:, :9] = digits + ord("0")
    text[:, 9] = np.where(check == 10, ord("X"), check + ord("0"))
    return text


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """[n] uint64: the finalizer of splitmix64, whose bits look random."""
    bits = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
