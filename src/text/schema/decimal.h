/* Texts of numbers in JSON, by value: exact, whatever their length and exponent, as far as DECIMAL_MOST digits go.
 *
 * A text becomes a plain decimal: digits before the point, digits behind it, no zeros at the ends.
 *
 *     -0.0120e2    negative, digits "1", fraction "2"
 *     1e1000       huge */
#ifndef TEXT_SCHEMA_DECIMAL_H
#define TEXT_SCHEMA_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

enum { DECIMAL_MOST = 420 };

struct decimal {
    int negative, n, n_fraction; /* n 0: nothing before the point */
    char digits[DECIMAL_MOST], fraction[DECIMAL_MOST];
    int huge; /* more digits before the point than fit: all of these are equal */
};

void decimal_read(const char *text, size_t n, struct decimal *d);
/* Without their signs: -1, 0, 1. */
int decimal_compare_size(const struct decimal *a, const struct decimal *b);

/* With their signs. */
int decimal_order(const struct decimal *a, const struct decimal *b);

/* *d: halfway from the double that the number at text is read as to the next one up, or down where up is 0. Decimals beyond *d, and it
 * itself where 1 is returned, are read as another double. Behind the number stands what does not belong to it, or NUL. -1: one of the two
 * is not finite. */
int decimal_beyond_double(const char *text, int up, struct decimal *d);

/* By value: -1, 0, 1. Numbers of more than DECIMAL_MOST digits before the point count as equal, and so does what differs behind as many
 * others. */
int decimal_compare(const char *a, size_t n_a, const char *b, size_t n_b);
/* Equal for equal numbers. */
uint64_t decimal_hash(const char *text, size_t n);
int decimal_is_integer(const char *text, size_t n);
/* 1: a whole number of times a step above 0. Not where the step has more than 18 digits in the unit that both are written in, or the number
 * more than DECIMAL_MOST. */
int decimal_is_multiple(const char *text, size_t n, const char *step, size_t n_step);

/* A text of the same value that is not longer than it has to be, with a NUL behind it. Returns its bytes. */
enum { DECIMAL_SHORT = 848 };
size_t decimal_shorten(const char *text, size_t n, char out[DECIMAL_SHORT]);

#endif
