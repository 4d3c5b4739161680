"""Makes `glyphs.bin`: the characters of plates as bitmaps, 24 rows of 24 bits each, from Noto Sans CJK (OFL)."""
from PIL import Image, ImageDraw, ImageFont

CHARACTERS = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-:"
FONT = ImageFont.truetype("/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc", 22, index=2)

with open("glyphs.bin", "wb") as file:
    for character in CHARACTERS:
        image = Image.new("1", (24, 24), 0)
        left, top, right, bottom = FONT.getbbox(character)
        # Han characters fill their square; letters and digits stand in its middle, on one line.
        across = (24 - (right - left)) // 2 - left
        down = (24 - (bottom - top)) // 2 - top
        ImageDraw.Draw(image).text((across, down), character, fill=1, font=FONT)
        file.write(image.tobytes())
