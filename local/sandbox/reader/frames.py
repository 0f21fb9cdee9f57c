"""Where the card lies in the picture: fitted to the places of the labels that were found.

The Chinese places were measured on the real layout; the Peruvian ones are those of the printed specimens.
"""

import numpy as np

from local.kinds import Kind
from local.sandbox.reader import chinese, peruvian
from local.sandbox.reader.engine import Line, Page
from local.sandbox.reader.model import Box, Quad

CARD_MM = (85.6, 54.0)

PLACES: dict[Kind, dict[str, tuple[float, float]]] = {
    "cn_portrait": {
        "name": (6.8, 11.0),
        "sex": (6.8, 17.3),
        "birth": (6.8, 23.5),
        "address": (6.8, 29.8),
        "id_number": (6.8, 46.3),
    },
    "cn_emblem": {
        "country": (29.9, 9.0),
        "title": (26.0, 18.6),
        "issuing_authority": (20.4, 39.9),
        "validity": (20.4, 46.3),
    },
    "pe_dni_new_front": {
        "CUI": (6.0, 11.7),
        "PRIMERAPELLIDO": (29.0, 11.7),
        "SEGUNDOAPELLIDO": (59.0, 11.7),
        "PRENOMBRES": (29.0, 18.7),
        "FECHADENACIMIENTO": (29.0, 32.7),
        "FECHACADUCIDAD": (59.0, 39.7),
        "GRUPODEVOTACION": (29.0, 46.7),
        "DONACIONDEORGANOS": (59.0, 46.7),
    },
    "pe_dni_new_back": {"DEPARTAMENTOPROVINCIADISTRITO": (6.0, 9.5), "DIRECCION": (6.0, 17.5)},
    "pe_dni_old_front": {
        "DNI": (56.5, 5.0),
        "PRIMERAPELLIDO": (29.0, 12.1),
        "SEGUNDOAPELLIDO": (59.0, 12.1),
        "PRENOMBRES": (29.0, 19.3),
        "FECHADENACIMIENTO": (29.0, 26.5),
        "FECHAINSCRIPCION": (6.0, 43.1),
        "FECHACADUCIDAD": (59.0, 43.1),
    },
    "pe_dni_old_back": {
        "DEPARTAMENTO": (6.0, 7.5),
        "PROVINCIA": (46.0, 7.5),
        "DIRECCION": (6.0, 23.5),
        "GRUPODEVOTACION": (6.0, 31.5),
        "DONACIONDEORGANOS": (46.0, 31.5),
    },
    "pe_foreigner_front": {
        "NDECARNET": (59.0, 4.5),
        "APELLIDOS": (29.0, 12.1),
        "NOMBRES": (29.0, 19.3),
        "NACIONALIDAD": (59.0, 26.5),
        "FECHACADUCIDAD": (59.0, 40.9),
        "CALIDADMIGRATORIA": (29.0, 47.9),
    },
}
"""The middle of each label's left edge, in mm from the card's top left corner."""


def card_frame(kind: Kind, page: Page, lines: list[Line]) -> Quad | None:
    """The card's corners in the page's picture, also beyond its edges; None with too few labels."""
    anchors = _anchors(kind, lines)
    places = [PLACES[kind][name] for name in anchors]
    points = [complex(*((line.points[0] + line.points[3]) / 2 * page.scale)) for line in anchors.values()]
    if len(points) < 2:
        return None
    # A turn, a scale and a shift: the least squares line through complex numbers.
    millimetres = np.array([complex(*place) for place in places])
    factor, shift = np.linalg.lstsq(np.stack([millimetres, np.ones(len(points))], axis=1), np.array(points))[0]
    width, height = CARD_MM
    top_left, top_right, bottom_right, bottom_left = (
        (round(corner.real), round(corner.imag))
        for corner in (complex(x, y) * factor + shift for x, y in ((0, 0), (width, 0), (width, height), (0, height)))
    )
    return top_left, top_right, bottom_right, bottom_left


def box_of(frame: Quad | None, size: tuple[int, int]) -> Box:
    """The upright rectangle around `frame` in a picture of `size`; the whole picture without one."""
    if frame is None:
        return (0, 0, *size)
    across, down = zip(*frame, strict=True)
    left, top, right, bottom = (
        max(0, min(across)),
        max(0, min(down)),
        min(size[0], max(across)),
        min(size[1], max(down)),
    )
    return (left, top, right, bottom) if left < right and top < bottom else (0, 0, *size)


def _anchors(kind: Kind, lines: list[Line]) -> dict[str, Line]:
    if kind == "cn_portrait":
        return {name: line for name, line in chinese.labels(lines).items() if name in PLACES[kind]}
    if kind == "cn_emblem":
        return chinese.emblem_anchors(lines)
    return peruvian.anchors(lines, frozenset(PLACES[kind]))
