/* See entity.h. */
#include "library/document/entity.h"

#include <stdlib.h>
#include <string.h>

/* U+00A0 to U+00FF, in order. */
static const char latin1[] = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg "
                             "plusmn sup2 sup3 acute micro para middot cedil "
                             "sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig "
                             "Ccedil Egrave Eacute Ecirc Euml Igrave Iacute "
                             "Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc "
                             "Uuml Yacute THORN szlig agrave aacute acirc "
                             "atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth "
                             "ntilde ograve oacute ocirc otilde ouml divide "
                             "oslash ugrave uacute ucirc uuml yacute thorn yuml ";

static const struct {
    const char *name;
    uint32_t character;
} others[] = {
    {"amp", '&'},       {"lt", '<'},        {"gt", '>'},        {"quot", '"'},      {"apos", '\''},
    {"ensp", 0x2002},   {"emsp", 0x2003},   {"thinsp", 0x2009}, {"zwnj", 0x200C},   {"zwj", 0x200D},
    {"ndash", 0x2013},  {"mdash", 0x2014},  {"lsquo", 0x2018},  {"rsquo", 0x2019},  {"sbquo", 0x201A},
    {"ldquo", 0x201C},  {"rdquo", 0x201D},  {"bdquo", 0x201E},  {"dagger", 0x2020}, {"Dagger", 0x2021},
    {"bull", 0x2022},   {"hellip", 0x2026}, {"permil", 0x2030}, {"prime", 0x2032},  {"Prime", 0x2033},
    {"lsaquo", 0x2039}, {"rsaquo", 0x203A}, {"euro", 0x20AC},   {"trade", 0x2122},  {"larr", 0x2190},
    {"uarr", 0x2191},   {"rarr", 0x2192},   {"darr", 0x2193},   {"harr", 0x2194},   {"minus", 0x2212},
    {"infin", 0x221E},  {"asymp", 0x2248},  {"ne", 0x2260},     {"le", 0x2264},     {"ge", 0x2265},
    {"alpha", 0x3B1},   {"beta", 0x3B2},    {"gamma", 0x3B3},   {"delta", 0x3B4},   {"lambda", 0x3BB},
    {"mu", 0x3BC},      {"pi", 0x3C0},      {"sigma", 0x3C3},   {"omega", 0x3C9},   {"Omega", 0x3A9},
    {"Delta", 0x394},   {"OElig", 0x152},   {"oelig", 0x153},   {"Scaron", 0x160},  {"scaron", 0x161},
    {"fnof", 0x192},    {"circ", 0x2C6},    {"tilde", 0x2DC},
};

static uint32_t number(const char *text, size_t n)
{
    char digits[16];
    int base = n && (*text == 'x' || *text == 'X') ? 16 : 10;
    if (base == 16) {
        text++;
        n--;
    }
    if (n == 0 || n >= sizeof digits)
        return 0;
    memcpy(digits, text, n);
    digits[n] = 0;
    char *end;
    unsigned long c = strtoul(digits, &end, base);
    return *end || c == 0 || c > 0x10FFFF ? 0xFFFD : (uint32_t)c;
}

uint32_t entity_character(const char *text, size_t n)
{
    char name[16];
    uint32_t c = 0xA0;
    if (n < 4 || n - 2 >= sizeof name || text[n - 1] != ';')
        return 0;
    if (text[1] == '#')
        return number(text + 2, n - 3);
    n -= 2;
    memcpy(name, text + 1, n);
    name[n] = 0;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(others[i].name, name) == 0)
            return others[i].character;
    for (const char *p = latin1; *p; p += strcspn(p, " ") + 1, c++)
        if (strncmp(p, name, n) == 0 && p[n] == ' ')
            return c;
    return 0;
}
