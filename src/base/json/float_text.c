/* See float_text.h. A vector has hundreds of values, and printf and strtof for each number of digits take 0.5 us a value.
 *
 * Here the value and the middles between it and its neighbours are whole numbers: m 2^e 10^p, in units of 2^-(s + 1), s = max(0, -e), where
 * p decimals leave nine digits in front of the point. In the range where these fit into 128 bits every rounding, also of ties, is that of
 * printf, and every answer to "does it read back" that of strtof; the rest is left to them. */
#include "base/json/float_text.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS = 9 /* enough for every f32 */, LEAST_DIGITS = 6, MOST_DECIMALS = 18 };

typedef unsigned __int128 u128;

/* 10^nine times the value is `twice` / 2^(s + 1); texts less than `middle` such units away read back as it. */
struct exact {
    u128 twice, middle;
    uint32_t m, nine; /* of the value, and its nine digits, rounded down */
    int s, power;     /* of ten, of the first digit */
};

static const uint64_t tens[MOST_DECIMALS + 1] = {1,
                                                 10,
                                                 100,
                                                 1000,
                                                 10000,
                                                 100000,
                                                 1000000,
                                                 10000000,
                                                 100000000,
                                                 1000000000,
                                                 10000000000,
                                                 100000000000,
                                                 1000000000000,
                                                 10000000000000,
                                                 100000000000000,
                                                 1000000000000000,
                                                 10000000000000000,
                                                 100000000000000000,
                                                 1000000000000000000};

/* m 2^e. 0: it is too small or too large. */
static int scale(struct exact *x, uint32_t m, int e)
{
    int up = e > 0 ? e : 0, log2 = e + 23;
    x->m = m;
    x->s = e < 0 ? -e : 0;
    x->power = (log2 < 0 ? log2 * 30103 - 99999 : log2 * 30103) / 100000; /* of 2^log2; the value may have one more */
    for (int more = 0; more < 2; more++, x->power++) {
        int decimals = DIGITS - 1 - x->power;
        if (decimals < 0 || decimals > MOST_DECIMALS)
            return 0;
        x->middle = (u128)tens[decimals] << up;
        x->twice = x->middle * (2 * (u128)m);
        u128 nine = x->twice >> (x->s + 1);
        if (nine < tens[DIGITS]) {
            x->nine = (uint32_t)nine;
            return 1;
        }
    }
    return 0;
}

/* The value in n digits; *power is that of the first one. 1: it reads back. */
static int round_to(const struct exact *x, int n, uint64_t *digits, int *power)
{
    uint64_t unit = tens[DIGITS - n];
    *digits = x->nine / unit;
    u128 left = x->twice - ((u128)(*digits * unit) << (x->s + 1)), half = (u128)unit << x->s;
    *digits += left > half || (left == half && *digits % 2);
    u128 text = (u128)(*digits * unit) << (x->s + 1);
    int is_below = text < x->twice;
    u128 off = is_below ? x->twice - text : text - x->twice;
    off *= is_below && x->m == 1 << 23 ? 2 : 1; /* below a power of two values are twice as close */
    *power = x->power;
    if (*digits == tens[n]) {
        *digits /= 10;
        ++*power;
    }
    return off < x->middle || (off == x->middle && x->m % 2 == 0);
}

/* The digits [n], of which the first stands for 10^power, as %.`most`g has them. */
static size_t write_digits(char *out, const char *digit, int n, int power, int most)
{
    char *at = out;
    int is_long = power < -4 || power >= most, before = is_long ? 1 : power + 1;
    if (before <= 0) {
        *at++ = '0';
        *at++ = '.';
        for (int i = before; i < 0; i++)
            *at++ = '0';
    }
    for (int i = 0; i < n || i < before; i++) {
        if (i == before && before > 0)
            *at++ = '.';
        *at++ = i < n ? digit[i] : '0';
    }
    if (is_long) {
        int size = power < 0 ? -power : power;
        *at++ = 'e';
        *at++ = power < 0 ? '-' : '+';
        *at++ = (char)('0' + size / 10);
        *at++ = (char)('0' + size % 10);
    }
    *at = 0;
    return (size_t)(at - out);
}

static size_t by_printf(char out[FLOAT_TEXT], float v)
{
    int n = 0;
    for (int digits = LEAST_DIGITS; digits <= DIGITS; digits++) {
        n = snprintf(out, FLOAT_TEXT, "%.*g", digits, (double)v);
        if (strtof(out, NULL) == v)
            break;
    }
    return (size_t)n;
}

size_t float_text(char out[FLOAT_TEXT], float v)
{
    struct exact x;
    uint32_t bits, exponent;
    uint64_t digits;
    int n = LEAST_DIGITS, power;
    memcpy(&bits, &v, sizeof bits);
    exponent = bits >> 23 & 0xFF;
    if (exponent == 0 || exponent == 0xFF || !scale(&x, (bits & 0x7FFFFF) | 1 << 23, (int)exponent - 150))
        return by_printf(out, v);
    while (!round_to(&x, n, &digits, &power) && n < DIGITS)
        n++;
    char digit[DIGITS];
    int most = n;
    for (int i = n; i-- > 0; digits /= 10)
        digit[i] = (char)('0' + digits % 10);
    while (n > 1 && digit[n - 1] == '0')
        n--;
    size_t sign = bits >> 31;
    out[0] = '-';
    return sign + write_digits(out + sign, digit, n, power, most);
}
