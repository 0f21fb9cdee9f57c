"""The card sides that the laptop knows: the printer draws them, the sandbox's reader tells them apart."""

from typing import Literal, get_args

type Kind = Literal[
    "cn_portrait",
    "cn_emblem",
    "pe_dni_new_front",
    "pe_dni_new_back",
    "pe_dni_old_front",
    "pe_dni_old_back",
    "pe_foreigner_front",
]

KINDS: tuple[Kind, ...] = get_args(Kind.__value__)
