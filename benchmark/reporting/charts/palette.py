"""The colours of models: each has a contrast of at least 4.5 to 1 with its page (WCAG 2.2, 1.4.3).

A model has the same number, and so the same colour and symbol, in all charts of a report.
"""

PAPER = "#ffffff"
NIGHT = "#14171b"
LIGHT = (
    "#0b5cad",
    "#b23a00",
    "#1a7340",
    "#7a3fa8",
    "#8a5a00",
    "#00707a",
    "#b8256b",
    "#4d6100",
    "#8f1d1d",
    "#4a4fb5",
)
DARK = (
    "#7db8f5",
    "#ff9d6b",
    "#6fd08c",
    "#c9a2f2",
    "#e0b860",
    "#5fd0d6",
    "#f58fc0",
    "#c3d05a",
    "#ff8a8a",
    "#a9adff",
)
NEUTRAL = {"light": "#5c6570", "dark": "#a0a9b4"}
SHADES = {"light": ("#c9d8ea", "#0b3f7a"), "dark": ("#3a4654", "#7db8f5")}
"""From the lowest to the highest, where colour is a quantity."""


PALETTE = {"light": LIGHT, "dark": DARK, "neutral": NEUTRAL, "shades": SHADES}
"""All of them, as the page's script takes them."""


def symbol(model: int, symbols: int) -> int:
    """The model's symbol, by its number among so many: ten colours and ten symbols tell a hundred
    models apart."""
    return (model + model // len(LIGHT)) % symbols


def mixed(first: str, second: str, share: float) -> str:
    """The colour between two colours #rrggbb at a share of the way, from 0 to 1."""
    parts = [
        round(int(a, 16) + share * (int(b, 16) - int(a, 16)))
        for a, b in ((first[at : at + 2], second[at : at + 2]) for at in (1, 3, 5))
    ]
    return "#" + "".join(f"{part:02x}" for part in parts)


def contrast(first: str, second: str) -> float:
    """The contrast of two colours #rrggbb, from 1 to 21 (WCAG 2.2, "contrast ratio")."""
    light, dark = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
