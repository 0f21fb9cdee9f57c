"""Pictures that people upload by mistake: no identity card in them."""

import random

from PIL import Image, ImageDraw

from local.cardprinter.canvas import DESK, Sheet, lay_on_desk


def not_a_card(seed: int) -> Image.Image:
    """A shop's receipt (even seeds) or a landscape (odd seeds); RGB."""
    rng = random.Random(f"stray {seed}")
    return _landscape(rng) if seed % 2 else _receipt(rng)


def _receipt(rng: random.Random) -> Image.Image:
    sheet = Sheet(rng, (226, 224, 214), (232, 226, 220))
    sheet.text(24, 3, "样例便利店 EJEMPLO SHOP", 3.4)
    total = 0.0
    for line in range(6):
        price = rng.randrange(100, 9900) / 100
        total += price
        sheet.text(
            8, 10 + 5 * line, rng.choice(("矿泉水 500ml", "PAN INTEGRAL", "苹果 1kg", "CAFÉ MOLIDO", "牛奶")), 2.8
        )
        sheet.text(64, 10 + 5 * line, f"{price:.2f}", 2.8)
    sheet.text(8, 42, "合计 TOTAL", 3.2)
    sheet.text(62, 42, f"{total:.2f}", 3.2)
    sheet.text(20, 48, "谢谢惠顾 ¡GRACIAS POR SU COMPRA!", 2.4)
    return lay_on_desk(sheet.picture, rng)[0]


def _landscape(rng: random.Random) -> Image.Image:
    sky = Image.linear_gradient("L").resize(DESK)
    picture = Image.composite(Image.new("RGB", DESK, (214, 222, 232)), Image.new("RGB", DESK, (96, 148, 206)), sky)
    pen = ImageDraw.Draw(picture)
    width, height = DESK
    for range_number, colour in enumerate(((96, 116, 140), (70, 104, 92), (54, 92, 52))):
        base = height * (0.5 + 0.17 * range_number)
        ridge = [(x, base - rng.uniform(0, height * 0.18)) for x in range(0, width + 90, 90)]
        pen.polygon([(0, height), *ridge, (width, height)], fill=colour)
    x = rng.randrange(width // 5, width * 4 // 5)
    pen.ellipse((x - 60, 80, x + 60, 200), fill=(240, 206, 110))
    return picture
