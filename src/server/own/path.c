/* See path.h. */
#include "server/own/path.h"

#include "base/hex.h"

int path_decode(const char *text, char *out, size_t size)
{
    size_t n = 0;
    for (; *text; text++) {
        int high = *text == '%' ? hex_digit(text[1]) : 0, low = *text == '%' && high >= 0 ? hex_digit(text[2]) : 0;
        if (high < 0 || low < 0 || (*text == '%' && !(high | low)) || n + 1 >= size)
            return -1;
        out[n++] = *text == '%' ? (char)(high << 4 | low) : *text;
        text += *text == '%' ? 2 : 0;
    }
    out[n] = 0;
    return 0;
}
