"""The four themes. Style sheets name variables only; these are where the colours are."""

from __future__ import annotations

from textual.theme import Theme

from kdmgr.services.preferences import THEMES as THEMES

DARK, LIGHT, CONTRAST, TERMINAL = THEMES

DEFAULT_VARIABLES = {
    "panel-border": "#5c6370",
    "memory-in-use": "#8a8f98",
    "memory-weights": "#5b9bf0",
    "memory-kv-cache": "#c07be8",
    "memory-recurrent": "#c07be8",
    "memory-compute": "#35b8ae",
    "memory-projector": "#7d8df0",
    "memory-overhead": "#d9a441",
    "memory-free": "#6b7280",
    "memory-unknown": "#6b7280",
}
"""The kinds of memory, and frames without focus, in a theme that is not ours: one chosen in the palette."""


def build_themes() -> tuple[Theme, ...]:
    """Dark, light, high contrast, and the terminal's own colours."""
    return _dark(), _light(), _contrast(), _terminal()


def next_theme(current: str) -> str:
    """The theme after `current`; the first after one that is not ours."""
    at = THEMES.index(current) if current in THEMES else -1
    return THEMES[(at + 1) % len(THEMES)]


def _dark() -> Theme:
    return Theme(
        name=DARK,
        primary="#6cb2eb",
        secondary="#4d7fae",
        accent="#f2b35e",
        success="#6fcf97",
        warning="#f2b35e",
        error="#ef7b7b",
        foreground="#d7dce4",
        background="#12161c",
        surface="#171c24",
        panel="#202733",
        variables={
            "panel-border": "#39404a",
            "memory-in-use": "#7d8794",
            "memory-weights": "#6cb2eb",
            "memory-kv-cache": "#c792ea",
            "memory-recurrent": "#c792ea",
            "memory-compute": "#4fc3b5",
            "memory-projector": "#8f9df5",
            "memory-overhead": "#e0a85a",
            "memory-free": "#566070",
            "memory-unknown": "#566070",
            "foreground-muted": "#8690a0",
            "footer-key-foreground": "#6cb2eb",
            "footer-background": "#171c24",
            "block-cursor-background": "#2b4a66",
            "block-cursor-foreground": "#f4f7fb",
            "block-cursor-blurred-background": "#232d3a",
            "block-cursor-blurred-foreground": "#d7dce4",
            "block-cursor-text-style": "none",
            "scrollbar": "#2c3542",
            "scrollbar-background": "#171c24",
        },
    )


def _light() -> Theme:
    return Theme(
        name=LIGHT,
        primary="#1f5f99",
        secondary="#4d7fae",
        accent="#9a5b00",
        success="#1d7a45",
        warning="#8f5600",
        error="#b3261e",
        foreground="#1d2530",
        background="#f3f5f8",
        surface="#fbfcfd",
        panel="#e6eaf0",
        dark=False,
        variables={
            "panel-border": "#c4cad3",
            "memory-in-use": "#7a828d",
            "memory-weights": "#1f6fb5",
            "memory-kv-cache": "#8438b0",
            "memory-recurrent": "#8438b0",
            "memory-compute": "#0d7a70",
            "memory-projector": "#4150c4",
            "memory-overhead": "#96620a",
            "memory-free": "#8f98a5",
            "memory-unknown": "#8f98a5",
            "foreground-muted": "#66707d",
            "footer-key-foreground": "#1f5f99",
            "footer-background": "#e6eaf0",
            "block-cursor-background": "#c5dbf0",
            "block-cursor-foreground": "#0d1722",
            "block-cursor-blurred-background": "#dde5ee",
            "block-cursor-blurred-foreground": "#1d2530",
            "block-cursor-text-style": "none",
            "scrollbar": "#c3cbd6",
            "scrollbar-background": "#e6eaf0",
        },
    )


def _contrast() -> Theme:
    return Theme(
        name=CONTRAST,
        primary="#66ccff",
        secondary="#ffffff",
        accent="#ffd500",
        success="#00ff66",
        warning="#ffd500",
        error="#ff5c5c",
        foreground="#ffffff",
        background="#000000",
        surface="#000000",
        panel="#1a1a1a",
        text_alpha=1.0,
        variables={
            "panel-border": "#8c8c8c",
            "memory-in-use": "#bbbbbb",
            "memory-weights": "#66ccff",
            "memory-kv-cache": "#ff8cff",
            "memory-recurrent": "#ff8cff",
            "memory-compute": "#00ffd5",
            "memory-projector": "#a8b4ff",
            "memory-overhead": "#ffd500",
            "memory-free": "#999999",
            "memory-unknown": "#999999",
            "footer-key-foreground": "#ffd500",
            "footer-background": "#000000",
            "block-cursor-background": "#ffd500",
            "block-cursor-foreground": "#000000",
            "block-cursor-blurred-background": "#4d4000",
            "block-cursor-blurred-foreground": "#ffffff",
            "block-cursor-text-style": "bold",
            "foreground-muted": "#cccccc",
        },
    )


def _terminal() -> Theme:
    """The sixteen colours as the terminal shows them, on its own background."""
    return Theme(
        name=TERMINAL,
        ansi=True,
        primary="ansi_blue",
        secondary="ansi_cyan",
        accent="ansi_magenta",
        success="ansi_green",
        warning="ansi_yellow",
        error="ansi_red",
        foreground="ansi_default",
        background="ansi_default",
        surface="ansi_default",
        panel="ansi_default",
        boost="ansi_default",
        variables={
            "panel-border": "ansi_bright_black",
            "memory-in-use": "ansi_bright_black",
            "memory-weights": "ansi_blue",
            "memory-kv-cache": "ansi_magenta",
            "memory-recurrent": "ansi_magenta",
            "memory-compute": "ansi_cyan",
            "memory-projector": "ansi_bright_blue",
            "memory-overhead": "ansi_yellow",
            "memory-free": "ansi_bright_black",
            "memory-unknown": "ansi_bright_black",
            "foreground-muted": "ansi_bright_black",
            "footer-key-foreground": "ansi_blue",
            "ansi-background": "ansi_black",
            "ansi-foreground": "ansi_white",
            "border-blurred": "ansi_bright_black",
            "screen-selection-background": "ansi_bright_blue",
            "screen-selection-foreground": "ansi_black",
            "block-cursor-background": "ansi_blue",
            "block-cursor-foreground": "ansi_bright_white",
            "block-cursor-blurred-background": "ansi_bright_black",
            "block-cursor-blurred-foreground": "ansi_bright_white",
            "block-cursor-text-style": "none",
            "input-cursor-background": "ansi_white",
            "input-cursor-foreground": "ansi_black",
            "input-selection-background": "ansi_bright_blue",
            "input-selection-foreground": "ansi_black",
        },
    )
