#!/usr/bin/env python3
"""Prints the tables of src/text/jinja/unicode_tables.h from Python's own Unicode data.

Case: rows (first, last, step, delta) of characters whose upper or lower case is one character at a fixed distance.
Unprintable: ranges of characters that repr() escapes."""
import sys
import unicodedata


def rows(mapping):
    out = []
    for code in sorted(mapping):
        delta = mapping[code] - code
        if out:
            first, last, step, d = out[-1]
            gap = code - last
            if d == delta and (gap == step or (first == last and gap <= 2)):
                out[-1] = (first, code, gap, d)
                continue
        out.append((code, code, 1, delta))
    return out


def simple(change):
    return {c: ord(change(chr(c))) for c in range(128, 0x110000)
            if not 0xD800 <= c < 0xE000 and change(chr(c)) != chr(c) and len(change(chr(c))) == 1}


def escaped(text):
    return "".join("\\x%02x" % b for b in text.encode())


def ranges(test):
    out = []
    for c in range(0x110000):
        if test(c):
            if out and out[-1][1] == c - 1:
                out[-1][1] = c
            else:
                out.append([c, c])
    return out


def print_table(head, cells, per_line):
    print(head + " = {")
    for i in range(0, len(cells), per_line):
        print("    " + ", ".join(cells[i:i + per_line]) + ",")
    print("};\n")


print("/* Made by tools/unicode_tables.py from Unicode %s; see unicode.c. */" % unicodedata.unidata_version)
print("#ifndef TEXT_JINJA_UNICODE_TABLES_H\n#define TEXT_JINJA_UNICODE_TABLES_H\n\n#include <stdint.h>\n")
print("/* Characters first, first + step ... last change by delta. */")
print("struct case_row {\n    uint32_t first, last;\n    int32_t step, delta;\n};\n")
for name, change in (("upper_rows", str.upper), ("lower_rows", str.lower)):
    print_table("static const struct case_row %s[]" % name, ["{0x%x, 0x%x, %d, %d}" % r for r in rows(simple(change))], 4)
special = [(c, chr(c).upper()) for c in range(128, 0x110000)
           if not 0xD800 <= c < 0xE000 and len(chr(c).upper()) > 1]
print("static const struct {\n    uint32_t code;\n    const char *upper;\n}", end=" ")
print_table("upper_special[]", ['{0x%x, "%s"}' % (c, escaped(u)) for c, u in special], 4)
flat = ranges(lambda c: not chr(c).isprintable())
print_table("static const uint32_t unprintable[][2]", ["{0x%x, 0x%x}" % tuple(r) for r in flat], 6)
print("#endif")
