/* Numbers, read and written as Python does. Those of a request keep their spelling until something is computed with them; integers beyond
 * 64 bits are doubles then. templates.md 3.5 to 3.7, 6.2, 8. */
#include "text/jinja/tree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int jis_number(struct jvalue v)
{
    return v.type == J_INT || v.type == J_FLOAT || v.type == J_BOOL || v.type == J_NUMBER;
}

int jis_integer(struct jvalue v, int64_t *out)
{
    if (v.type == J_INT || v.type == J_BOOL) {
        *out = v.u.i;
        return 1;
    }
    if (v.type == J_NUMBER && v.u.number->is == JNUMBER_INT) {
        *out = v.u.number->i;
        return 1;
    }
    return 0;
}

double jnumber_double(struct jvalue v)
{
    int64_t i;
    return jis_integer(v, &i) ? (double)i : v.type == J_FLOAT ? v.u.f : v.u.number->f;
}

/* By value: a double does not hold every integer of 64 bits. */
static int compare_exactly(int64_t i, double f)
{
    if (isnan(f))
        return 2;
    if (f >= 0x1p63 || f < -0x1p63)
        return f < 0 ? 1 : -1;
    int64_t whole = (int64_t)f;
    double rest = f - (double)whole;
    return i != whole ? (i < whole ? -1 : 1) : rest < 0 ? 1 : -(rest > 0);
}

int jnumber_compare(struct jvalue a, struct jvalue b)
{
    int64_t x, y;
    int a_is_integer = jis_integer(a, &x), b_is_integer = jis_integer(b, &y);
    if (a_is_integer && b_is_integer)
        return x < y ? -1 : x > y;
    if (a_is_integer)
        return compare_exactly(x, jnumber_double(b));
    if (b_is_integer) {
        int order = compare_exactly(y, jnumber_double(a));
        return order == 2 ? 2 : -order;
    }
    double f = jnumber_double(a), g = jnumber_double(b);
    return f < g ? -1 : f > g ? 1 : f == g ? 0 : 2;
}

size_t jfloat_text(struct jrun *r, double f, char *out)
{
    char digits[JFLOAT_BYTES];
    jwork(r, 64 * JSTEP); /* up to 17 times there and back */
    if (isnan(f) || isinf(f)) {
        strcpy(out, isnan(f) ? "nan" : f < 0 ? "-inf" : "inf");
        return strlen(out);
    }
    for (int precision = 0; precision < 17; precision++) {
        snprintf(digits, sizeof digits, "%.*e", precision, f);
        if (strtod(digits, NULL) == f)
            break;
    }
    char *e = strchr(digits, 'e');
    int exponent = atoi(e + 1), negative = digits[0] == '-';
    char figures[20];
    int n = 0;
    for (const char *p = digits; p < e; p++)
        if (*p >= '0' && *p <= '9')
            figures[n++] = *p;
    char *to = out;
    if (negative)
        *to++ = '-';
    if (exponent < -4 || exponent >= 16) {
        *to++ = figures[0];
        if (n > 1) {
            *to++ = '.';
            memcpy(to, figures + 1, (size_t)n - 1);
            to += n - 1;
        }
        return (size_t)(to - out) + (size_t)sprintf(to, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
    }
    if (exponent < 0) {
        memcpy(to, "0.0000", 6);
        to += 1 - exponent;
        memcpy(to, figures, (size_t)n);
        to += n;
    } else {
        for (int i = 0; i <= exponent || i < n; i++) {
            if (i == exponent + 1)
                *to++ = '.';
            *to++ = i < n ? figures[i] : '0';
        }
        if (n <= exponent + 1) {
            *to++ = '.';
            *to++ = '0';
        }
    }
    *to = 0;
    return (size_t)(to - out);
}

/* Digits with a sign: 1 when they fit. */
static int parse_integer(const char *text, size_t n, int64_t *out)
{
    int negative = n > 0 && text[0] == '-';
    *out = 0;
    for (size_t i = (size_t)negative; i < n; i++)
        if (__builtin_mul_overflow(*out, (int64_t)10, out) ||
            __builtin_sub_overflow(*out, (int64_t)(text[i] - '0'), out)) /* downward: the least has no positive */
            return 0;
    return negative || !__builtin_sub_overflow((int64_t)0, *out, out);
}

struct jvalue jnumber_parse(struct jrun *r, const char *text, size_t n)
{
    char short_text[64], usual[JFLOAT_BYTES], *copy = n < sizeof short_text ? short_text : jalloc(r, n + 1);
    struct jnumber number = {.text = text, .n = n};
    int is_float = 0;
    jwork(r, n);
    for (size_t i = 0; i < n; i++)
        is_float |= text[i] == '.' || text[i] == 'e' || text[i] == 'E';
    if (!is_float && parse_integer(text, n, &number.i) && !(n == 2 && text[0] == '-' && text[1] == '0'))
        return jint(number.i);
    memcpy(copy, text, n);
    jwork(r, 2 * n + JSTEP);
    copy[n] = 0;
    number.f = strtod(copy, NULL);
    number.is = is_float ? JNUMBER_FLOAT : number.i == 0 && n == 2 ? JNUMBER_INT : JNUMBER_BIG;
    if (is_float && jfloat_text(r, number.f, usual) == n && memcmp(usual, text, n) == 0)
        return jfloat(number.f);
    char *kept = jalloc(r, n + 1);
    memcpy(kept, text, n);
    number.text = kept;
    struct jnumber *p = jalloc(r, sizeof *p);
    *p = number;
    return (struct jvalue){J_NUMBER, {.number = p}};
}
