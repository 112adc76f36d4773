/* An f32 as text, for answers and output that others read back. */
#ifndef BASE_JSON_FLOAT_TEXT_H
#define BASE_JSON_FLOAT_TEXT_H

#include <stddef.h>

enum { FLOAT_TEXT = 32 };

/* The shortest text of at least six digits, as %.Ng of printf writes them, that reads back as the same f32. Returns its length, without
 * the zero behind it. */
size_t float_text(char out[FLOAT_TEXT], float v);

#endif
