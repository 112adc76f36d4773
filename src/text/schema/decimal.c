/* Numbers as decimals: decimal.h. */
#include "text/schema/decimal.h"

#include "base/hash.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the text behind an "e", clipped: whatever is beyond that is beyond every number that matters. */
static long read_exponent(const char *text, size_t n)
{
    size_t i = n && (text[0] == '-' || text[0] == '+');
    long exponent = 0;
    for (; i < n && exponent < 99999; i++)
        exponent = exponent * 10 + (text[i] - '0');
    return n && text[0] == '-' ? -exponent : exponent;
}

void decimal_read(const char *text, size_t n, struct decimal *d)
{
    size_t i = 0;
    int at_digits = 0, lost = 0; /* lost: there were digits behind the last that is kept */
    char all[DECIMAL_MOST];
    long n_all = 0, point = 0, seen_point = 0;
    memset(d, 0, sizeof *d);
    if (n && text[0] == '-')
        d->negative = 1, i++;
    for (; i < n && (text[i] | 0x20) != 'e'; i++) {
        if (text[i] == '.') {
            seen_point = 1;
            continue;
        }
        at_digits |= text[i] != '0';
        if (at_digits && n_all < DECIMAL_MOST)
            all[n_all++] = text[i];
        else
            lost |= text[i] != '0';
        point += !seen_point ? at_digits : at_digits ? 0 : -1;
    }
    long before = point + (i < n ? read_exponent(text + i + 1, n - i - 1) : 0); /* digits before the point */
    if (n_all && before > DECIMAL_MOST) {
        d->huge = 1;
        d->n = DECIMAL_MOST;
        memset(d->digits, '9', DECIMAL_MOST);
        return;
    }
    for (long k = 0; k < before && n_all; k++)
        d->digits[d->n++] = k < n_all ? all[k] : '0';
    for (long k = before; k < n_all && n_all; k++) {
        if (k - before < DECIMAL_MOST)
            d->fraction[d->n_fraction++] = k < 0 ? '0' : all[k];
        else if (k < 0)
            k = -1; /* zeros in front of the digits: an exponent makes as many as it likes */
        else
            lost |= all[k] != '0';
    }
    while (d->n_fraction && d->fraction[d->n_fraction - 1] == '0')
        d->n_fraction--;
    if (lost) { /* a little more than what is kept */
        memset(d->fraction + d->n_fraction, '0', (size_t)(DECIMAL_MOST - d->n_fraction));
        d->n_fraction = DECIMAL_MOST;
        d->fraction[DECIMAL_MOST - 1] = '1';
    }
    if (d->n == 0 && d->n_fraction == 0)
        d->negative = 0;
}

int decimal_compare_size(const struct decimal *a, const struct decimal *b)
{
    if (a->huge != b->huge)
        return a->huge ? 1 : -1;
    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    int order = memcmp(a->digits, b->digits, (size_t)a->n);
    if (order)
        return order < 0 ? -1 : 1;
    int n = a->n_fraction < b->n_fraction ? a->n_fraction : b->n_fraction;
    order = memcmp(a->fraction, b->fraction, (size_t)n);
    if (order)
        return order < 0 ? -1 : 1;
    return (a->n_fraction > b->n_fraction) - (a->n_fraction < b->n_fraction);
}

int decimal_order(const struct decimal *a, const struct decimal *b)
{
    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    return a->negative ? decimal_compare_size(b, a) : decimal_compare_size(a, b);
}

int decimal_beyond_double(const char *text, int up, struct decimal *d)
{
    enum {
        EXACT = 1075,
        LONGEST = 309 + EXACT + 3
    }; /* digits behind the point of half the smallest double; any such text */
    char half[LONGEST];
    double at = strtod(text, NULL), next = nextafter(at, up ? INFINITY : -INFINITY);
    uint64_t bits;
    if (!isfinite(at) || !isfinite(next))
        return -1;
    int n = snprintf(half, sizeof half, "%.*Lf", (int)EXACT, ((long double)at + next) / 2); /* 54 bits: exact */
    decimal_read(half, (size_t)n, d);
    memcpy(&bits, &at, sizeof bits);
    return bits & 1; /* halfway goes to the even one */
}

/* Digits alone behind the sign, which a comparison takes as they are; 0 of anything else. */
static size_t plain_digits(const char *text, size_t n, int *negative)
{
    size_t i = *negative = n && text[0] == '-';
    if (i == n || text[i] == '0')
        return 0;
    while (i < n && text[i] >= '0' && text[i] <= '9')
        i++;
    return i == n && n <= DECIMAL_MOST ? n - (size_t)*negative : 0;
}

int decimal_compare(const char *a, size_t n_a, const char *b, size_t n_b)
{
    struct decimal x, y;
    int minus_a, minus_b;
    size_t digits_a = plain_digits(a, n_a, &minus_a), digits_b = digits_a ? plain_digits(b, n_b, &minus_b) : 0;
    if (digits_b) {
        int order = digits_a != digits_b ? (digits_a < digits_b ? -1 : 1) : memcmp(a + minus_a, b + minus_b, digits_a);
        order = (order > 0) - (order < 0);
        return minus_a != minus_b ? (minus_a ? -1 : 1) : minus_a ? -order : order;
    }
    decimal_read(a, n_a, &x);
    decimal_read(b, n_b, &y);
    return decimal_order(&x, &y);
}

uint64_t decimal_hash(const char *text, size_t n)
{
    struct decimal d;
    size_t minus = n && text[0] == '-', digits = minus;
    while (digits < n && text[digits] >= '0' && text[digits] <= '9')
        digits++;
    if (digits == n && n - minus < 100 && text[minus] != '0') /* as the bytes that a decimal would have */
        return hash64(text + minus, n - minus, minus);
    decimal_read(text, n, &d);
    uint64_t hash = hash64(d.digits, (size_t)d.n, (uint64_t)d.negative);
    return d.n_fraction ? hash64(d.fraction, (size_t)d.n_fraction, hash) : hash;
}

int decimal_is_integer(const char *text, size_t n)
{
    struct decimal d;
    int minus;
    if (plain_digits(text, n, &minus))
        return 1;
    decimal_read(text, n, &d);
    return d.n_fraction == 0;
}

/* Digit i of a decimal, from the first before the point on. */
static unsigned digit(const struct decimal *d, int i)
{
    return i < d->n                   ? (unsigned)(d->digits[i] - '0')
           : i - d->n < d->n_fraction ? (unsigned)(d->fraction[i - d->n] - '0')
                                      : 0;
}

int decimal_is_multiple(const char *text, size_t n, const char *step, size_t n_step)
{
    static const uint64_t most = 1000000000000000000; /* ten times that fits in 64 bits */
    struct decimal a, b;
    uint64_t unit = 0, rest = 0;
    decimal_read(text, n, &a);
    decimal_read(step, n_step, &b);
    int behind = a.n_fraction > b.n_fraction ? a.n_fraction : b.n_fraction;
    for (int i = 0; i < b.n + behind && unit < most; i++)
        unit = unit * 10 + digit(&b, i);
    if (unit == 0 || unit >= most || a.huge)
        return 0;
    for (int i = 0; i < a.n + behind; i++)
        rest = (rest * 10 + digit(&a, i)) % unit;
    return rest == 0;
}

size_t decimal_shorten(const char *text, size_t n, char out[DECIMAL_SHORT])
{
    struct decimal d;
    decimal_read(text, n, &d);
    if (d.huge)
        return (size_t)sprintf(out, d.negative ? "-1e999" : "1e999");
    return (size_t)sprintf(out, "%s%.*s%s%.*s", d.negative ? "-" : "", d.n ? d.n : 1, d.n ? d.digits : "0",
                           d.n_fraction ? "." : "", d.n_fraction, d.fraction);
}
