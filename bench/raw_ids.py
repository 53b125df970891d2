"""Synthetic ids of users and items that look like those of the Amazon review data.

The functions turn numbers into ids. Ids are a matrix of ASCII codes, one row per id; the code 0
stands for no character. Different numbers below 200 million have different ids, and a number always
has the same id.
"""

import numpy as np

ITEM_WIDTH = 10  # characters
USER_WIDTH = 21  # characters, at most
PRIME = 1_000_000_007

_ALPHABET = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", np.uint8)
_TRIPLES = np.stack([_ALPHABET[np.arange(36**3) // 36**k % 36] for k in (2, 1, 0)], axis=1)
# Lengths of user ids; a repeated length is more frequent. Most ids have 13 or 14 characters.
_LENGTHS = np.repeat(
    np.array([10, 11, 12, 13, 14, 15, 20, 21], np.uint8), [1, 1, 6, 76, 168, 2, 1, 1]
)


def user_text(numbers: np.ndarray) -> np.ndarray:
    """User ids such as A2M4P0Z81QX7RB, of 10 to 21 characters.

    ``numbers`` is [n] int64. Returns [n, USER_WIDTH] uint8.
    """
    bits = _mixed(numbers)
    text = np.empty((len(numbers), USER_WIDTH + 1), np.uint8)
    text[:, 0] = ord("A")
    # Six characters that differ between users: PRIME and 36**6 have no common factor.
    unique = numbers * PRIME % 36**6
    text[:, 1:4] = _TRIPLES[unique // 36**3]
    text[:, 4:7] = _TRIPLES[unique % 36**3]
    for triple in range(2, 7):
        text[:, 3 * triple + 1 : 3 * triple + 4] = _TRIPLES[(bits >> (9 * triple)) % 36**3]
    lengths = _LENGTHS[bits % len(_LENGTHS)]
    text[np.arange(text.shape[1], dtype=np.uint8) >= lengths[:, None]] = 0
    return text[:, :USER_WIDTH]


def item_text(numbers: np.ndarray) -> np.ndarray:
    """Item ids: three of four are ISBNs such as 0312577220, the others ASINs such as B00A1B2C3D.

    ``numbers`` is [n] int64. Returns [n, ITEM_WIDTH] uint8.
    """
    # Both constants are primes: different numbers have different ISBNs.
    isbn = _isbn(numbers * 48_271 % 200_000_003)
    return np.where((numbers % 4 == 3)[:, None], _asin(numbers), isbn)


def _asin(numbers: np.ndarray) -> np.ndarray:
    """[n, 10] uint8: B00A and six letters or digits that differ between numbers."""
    unique = numbers * PRIME % 36**6
    text = np.empty((len(numbers), ITEM_WIDTH), np.uint8)
    text[:, :4] = np.frombuffer(b"B00A", np.uint8)
    text[:, 4:7] = _TRIPLES[unique // 36**3]
    text[:, 7:] = _TRIPLES[unique % 36**3]
    return text


def _isbn(numbers: np.ndarray) -> np.ndarray:
    """[n, 10] uint8: nine decimal digits and the check digit of an ISBN-10, which may be X."""
    digits = numbers[:, None] // 10 ** np.arange(8, -1, -1) % 10
    check = digits @ np.arange(1, 10) % 11
    text = np.empty((len(numbers), ITEM_WIDTH), np.uint8)
    text[:, :9] = digits + ord("0")
    text[:, 9] = np.where(check == 10, ord("X"), check + ord("0"))
    return text


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """[n] uint64: the finalizer of the generator splitmix64. The bits look random."""
    bits = numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
