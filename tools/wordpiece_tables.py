#!/usr/bin/env python3
"""Prints src/text/tokenizer/wordpiece_tables.h from Python's own Unicode data: what WordPiece makes of a character.

A character stands for the first one of its canonical decomposition (NFD), in lower case. Its kind is that of the character before
lower case. Hangul syllables are left out: wordpiece_chars.c computes them."""
import unicodedata

SPACES = {*range(9, 14), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}
# As the tokenizers of published models have it, with the gap below U+2B920.
CJK = ((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F), (0x2B920, 0x2CEAF),
       (0xF900, 0xFAFF), (0x2F800, 0x2FA1F))


def first(code):
    return ord(unicodedata.normalize("NFD", chr(code))[0])


def kind(code):
    code = first(code)
    category = unicodedata.category(chr(code))
    if code in SPACES:
        return "CHAR_SPACE"
    if code in (0, 0xFFFD) or category in ("Cc", "Cf", "Co"):
        return "CHAR_DROPPED"
    if category[0] == "P" or (code < 0x7F and category[0] == "S") or any(low <= code <= high for low, high in CJK):
        return "CHAR_ALONE"
    return None


def fold(code):
    low = chr(first(code)).lower()
    return ord(low) if len(low) == 1 else first(code)


def kinds(codes):
    out = []
    for c in codes:
        k = kind(c)
        if k and out and out[-1][1] == c - 1 and out[-1][2] == k:
            out[-1][1] = c
        elif k:
            out.append([c, c, k])
    return out


def folds(codes):
    """Rows (first, last, step, to): step 0: all become `to`; else the difference to `to` is the same for all."""
    out = []
    for c in codes:
        f = fold(c)
        if f == c:
            continue
        if out:
            a, b, step, to = out[-1]
            if c == b + 1 and f == to and (step == 0 or a == b):
                out[-1] = (a, c, 0, to)
                continue
            if f - c == to - a and (c - b == step or (a == b and c - b <= 2)):
                out[-1] = (a, c, c - b, to)
                continue
        out.append((c, c, 1, f))
    return out


def table(head, cells, per_line):
    print(head + " = {")
    for i in range(0, len(cells), per_line):
        print("    " + ", ".join(cells[i:i + per_line]) + ",")
    print("};\n")


CODES = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and not 0xAC00 <= c <= 0xD7A3]
print("/* Made by tools/wordpiece_tables.py from Unicode %s; see wordpiece_chars.c. */" % unicodedata.unidata_version)
print("#ifndef TEXT_TOKENIZER_WORDPIECE_TABLES_H\n#define TEXT_TOKENIZER_WORDPIECE_TABLES_H\n")
print('#include "text/tokenizer/wordpiece_chars.h"\n')
print("static const struct {\n    uint32_t first, last;\n    enum char_kind kind;\n}", end=" ")
table("kind_rows[]", ["{0x%x, 0x%x, %s}" % tuple(r) for r in kinds(CODES)], 4)
print("/* step 0: all become `to`; else every step-th character changes by the distance of the first one. */")
print("static const struct {\n    uint32_t first, last, step, to;\n}", end=" ")
table("fold_rows[]", ["{0x%x, 0x%x, %d, 0x%x}" % r for r in folds(CODES)], 5)
print("#endif")
