/* An f32 as text, for answers and output that others read back. */
#ifndef BASE_JSON_FLOAT_TEXT_H
#define BASE_JSON_FLOAT_TEXT_H

#include <stdio.h>
#include <stdlib.h>

enum { FLOAT_TEXT = 32 };

/* The shortest text of at least six digits, zeros at its end left out, that reads back as the same f32. Returns out. */
static inline const char *float_text(char out[FLOAT_TEXT], float v)
{
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(out, FLOAT_TEXT, "%.*g", digits, (double)v);
        if (strtof(out, NULL) == v)
            break;
    }
    return out;
}

#endif
