/* Ranges of numbers: schema_number.h.
 *
 * A bound becomes a plain decimal: digits before the point, digits behind it, no zeros at the ends. A range of equally long texts
 * is cut at the first digit that differs, as one does on paper:
 *
 *     127..243    1 2 [7-9] | 1 [3-9] any | 2 [0-3] any | 2 4 [0-3] */
#include "text/schema_number.h"

#include "base/hash.h"
#include "text/compile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DIGITS = 19, MOST_FRACTION = 20, ROOM = 420, MOST_LIST = 10000 };

struct decimal {
    int negative, n, n_fraction; /* n 0: nothing before the point */
    char digits[ROOM], fraction[ROOM];
    int huge; /* more digits than fit */
};

static void read_decimal(const char *text, size_t n, struct decimal *d)
{
    size_t i = 0;
    long exponent = 0;
    int at_digits = 0;
    char all[ROOM];
    int n_all = 0, point = 0, seen_point = 0;
    memset(d, 0, sizeof *d);
    if (n && text[0] == '-')
        d->negative = 1, i++;
    for (; i < n && (text[i] | 0x20) != 'e'; i++) {
        if (text[i] == '.') {
            seen_point = 1;
            continue;
        }
        at_digits |= text[i] != '0';
        if (at_digits && n_all < ROOM)
            all[n_all++] = text[i];
        else if (at_digits && !seen_point)
            d->huge = 1;
        point += !seen_point ? at_digits : at_digits ? 0 : -1;
    }
    if (i < n) {
        char number[12] = "";
        size_t left = n - i - 1 < sizeof number - 1 ? n - i - 1 : sizeof number - 1;
        memcpy(number, text + i + 1, left);
        exponent = strtol(number, NULL, 10);
        exponent = exponent > 9999 ? 9999 : exponent < -9999 ? -9999 : exponent;
    }
    long before = point + exponent; /* digits before the point */
    for (long k = 0; k < before && n_all && !d->huge; k++) {
        if (k == ROOM)
            d->huge = 1;
        else
            d->digits[d->n++] = k < n_all ? all[k] : '0';
    }
    for (long k = before; k < n_all; k++) {
        if (k - before < ROOM)
            d->fraction[d->n_fraction++] = k < 0 ? '0' : all[k];
    }
    while (d->n_fraction && d->fraction[d->n_fraction - 1] == '0')
        d->n_fraction--;
    if (d->n == 0 && d->n_fraction == 0)
        d->negative = 0;
}

static int compare_size(const struct decimal *a, const struct decimal *b)
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

static int compare(const struct decimal *a, const struct decimal *b)
{
    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    return a->negative ? compare_size(b, a) : compare_size(a, b);
}

int number_compare(const char *a, size_t n_a, const char *b, size_t n_b)
{
    struct decimal x, y;
    read_decimal(a, n_a, &x);
    read_decimal(b, n_b, &y);
    return compare(&x, &y);
}

uint64_t number_hash(const char *text, size_t n)
{
    struct decimal d;
    size_t minus = n && text[0] == '-', digits = minus;
    while (digits < n && text[digits] >= '0' && text[digits] <= '9')
        digits++;
    if (digits == n && n - minus < 100 && text[minus] != '0') /* as the bytes that a decimal would have */
        return hash64(text + minus, n - minus, minus);
    read_decimal(text, n, &d);
    uint64_t hash = hash64(d.digits, (size_t)d.n, (uint64_t)d.negative);
    return d.n_fraction ? hash64(d.fraction, (size_t)d.n_fraction, hash) : hash;
}

int number_is_integer(const char *text, size_t n)
{
    struct decimal d;
    read_decimal(text, n, &d);
    return d.n_fraction == 0;
}

/* ---- texts of digits ------------------------------------------------------------------------------------------------------------ */

static grammar_expr digit(struct grammar_maker *m, int low, int high)
{
    struct grammar_range r = {(uint32_t)low, (uint32_t)high};
    return grammar_class(m, &r, 1, 0);
}

static grammar_expr any_digits(struct grammar_maker *m, int min, int max)
{
    return grammar_repeat(m, digit(m, '0', '9'), min, max);
}

static grammar_expr pair(struct grammar_maker *m, grammar_expr a, grammar_expr b)
{
    return grammar_sequence(m, (grammar_expr[]){a, b}, 2);
}

static grammar_expr never(struct grammar_maker *m) { return grammar_choice(m, NULL, 0); }

/* Digits i.. of texts between two of the same length; a bound that is NULL was left behind. */
static grammar_expr between(struct grammar_maker *m, const char *low, const char *high, int i, int n)
{
    grammar_expr part[3];
    size_t parts = 0;
    if (i == n)
        return grammar_text(m, "", 0);
    if (!low && !high)
        return any_digits(m, n - i, n - i);
    int from = low ? low[i] : '0', to = high ? high[i] : '9';
    if (from == to)
        return pair(m, digit(m, from, to), between(m, low, high, i + 1, n));
    if (low)
        part[parts++] = pair(m, digit(m, from, from), between(m, low, NULL, i + 1, n));
    int first = from + (low != NULL), last = to - (high != NULL);
    if (first <= last)
        part[parts++] = pair(m, digit(m, first, last), between(m, NULL, NULL, i + 1, n));
    if (high)
        part[parts++] = pair(m, digit(m, to, to), between(m, NULL, high, i + 1, n));
    return grammar_choice(m, part, parts);
}

/* Whole numbers low..high without sign; digits without leading zeros, zero is "0"; n_high above 19: no bound. */
static grammar_expr whole(struct grammar_maker *m, const char *low, int n_low, const char *high, int n_high)
{
    static const char nines[] = "99999999999999999999", ones[] = "10000000000000000000";
    grammar_expr part[MOST_DIGITS];
    size_t parts = 0;
    if (n_high > MOST_DIGITS) {
        high = nines;
        n_high = MOST_DIGITS;
    }
    if (n_low > n_high || (n_low == n_high && memcmp(low, high, (size_t)n_low) > 0))
        return never(m);
    if (low[0] == '1' && high == nines && n_low == 1) /* the common case, short */
        return pair(m, digit(m, '1', '9'), any_digits(m, 0, MOST_DIGITS - 1));
    for (int n = n_low; n <= n_high; n++) {
        const char *from = n == n_low ? low : ones, *to = n == n_high ? high : nines;
        part[parts++] = between(m, from, to, 0, n);
    }
    return grammar_choice(m, part, parts);
}

/* ---- integers ------------------------------------------------------------------------------------------------------------------- */

/* A size as digits of a whole number: rounded up or down, or past it. */
struct size {
    char digits[ROOM + 2];
    int n;
};

static void add_one(struct size *s)
{
    int i = s->n - 1;
    while (i >= 0 && s->digits[i] == '9')
        s->digits[i--] = '0';
    if (i >= 0) {
        s->digits[i]++;
        return;
    }
    memmove(s->digits + 1, s->digits, (size_t)s->n++);
    s->digits[0] = '1';
}

/* 0: there is no smaller one. */
static int take_one(struct size *s)
{
    int i = s->n - 1;
    while (i >= 0 && s->digits[i] == '0')
        s->digits[i--] = '9';
    if (i < 0)
        return 0;
    s->digits[i]--;
    if (s->digits[0] == '0' && s->n > 1)
        memmove(s->digits, s->digits + 1, (size_t)--s->n);
    return 1;
}

static struct size size_of(const struct decimal *d)
{
    struct size s = {.n = d->n ? d->n : 1};
    memcpy(s.digits, d->n ? d->digits : "0", (size_t)s.n);
    if (d->huge)
        s.n = ROOM;
    return s;
}

/* Sizes of whole numbers on one side of zero: least and most of them; 0: none. NULL: no bound. */
static int side(const struct decimal *least, int least_out, const struct decimal *most, int most_out, struct size *low,
                struct size *high)
{
    *low = least ? size_of(least) : (struct size){"0", 1};
    if (least && (least->n_fraction || least_out))
        add_one(low);
    *high = (struct size){.n = ROOM};
    if (most) {
        *high = size_of(most);
        if (!most->n_fraction && most_out && !take_one(high))
            return 0;
    }
    return 1;
}

grammar_expr number_integers(struct grammar_maker *m, const struct number_bound *low, const struct number_bound *high)
{
    struct decimal *d = compile_zeroed(grammar_handle(m), 2, sizeof *d);
    struct size *s = compile_zeroed(grammar_handle(m), 2, sizeof *s);
    grammar_expr part[3];
    size_t parts = 0;
    if (d && s) {
        if (low->text)
            read_decimal(low->text, low->n, &d[0]);
        if (high->text)
            read_decimal(high->text, high->n, &d[1]);
        int low_below = !low->text || d[0].negative, high_above = !high->text || !d[1].negative;
        int zero = low_below || (d[0].n == 0 && d[0].n_fraction == 0 && !low->exclusive);
        zero = zero && (!high->text || (!d[1].negative && (d[1].n || d[1].n_fraction || !high->exclusive)));
        if (low_below &&
            side(high_above ? NULL : &d[1], high->exclusive, low->text ? &d[0] : NULL, low->exclusive, &s[0], &s[1])) {
            if (s[0].n == 1 && s[0].digits[0] == '0')
                s[0].digits[0] = '1';
            part[parts++] = pair(m, grammar_text(m, "-", 1), whole(m, s[0].digits, s[0].n, s[1].digits, s[1].n));
        }
        if (zero)
            part[parts++] = grammar_text(m, "0", 1);
        if (high_above &&
            side(low_below ? NULL : &d[0], low->exclusive, high->text ? &d[1] : NULL, high->exclusive, &s[0], &s[1])) {
            if (s[0].n == 1 && s[0].digits[0] == '0')
                s[0].digits[0] = '1';
            part[parts++] = whole(m, s[0].digits, s[0].n, s[1].digits, s[1].n);
        }
    } else {
        grammar_ended(m);
    }
    compile_free(grammar_handle(m), d);
    compile_free(grammar_handle(m), s);
    return grammar_choice(m, part, parts);
}

/* ---- decimals ------------------------------------------------------------------------------------------------------------------- */

/* Digits behind the point: i were read, equal to the bounds that are still there. */
struct fraction {
    const struct decimal *low, *high;
    int low_out, high_out;
};

static grammar_expr fraction(struct grammar_maker *m, struct fraction f, int i)
{
    grammar_expr part[4];
    size_t parts = 0;
    int may_end = (!f.low || (i >= f.low->n_fraction && !f.low_out)) &&
                  (!f.high || i < f.high->n_fraction || !f.high_out);
    if (!f.low && !f.high)
        return any_digits(m, i == 0, MOST_FRACTION - i);
    if (may_end && i > 0)
        part[parts++] = grammar_text(m, "", 0);
    if (i == MOST_FRACTION)
        return grammar_choice(m, part, parts);
    int from = f.low && i < f.low->n_fraction ? f.low->fraction[i] : '0';
    int to = !f.high ? '9' : i < f.high->n_fraction ? f.high->fraction[i] : '0';
    if (from > to)
        return grammar_choice(m, part, parts);
    if (from == to) {
        part[parts++] = pair(m, digit(m, from, to), fraction(m, f, i + 1));
        return grammar_choice(m, part, parts);
    }
    if (f.low)
        part[parts++] = pair(m, digit(m, from, from), fraction(m, (struct fraction){f.low, NULL, f.low_out, 0}, i + 1));
    int first = from + (f.low != NULL), last = to - (f.high != NULL);
    if (first <= last)
        part[parts++] = pair(m, digit(m, first, last), any_digits(m, 0, MOST_FRACTION - 1 - i));
    if (f.high)
        part[parts++] = pair(m, digit(m, to, to), fraction(m, (struct fraction){NULL, f.high, 0, f.high_out}, i + 1));
    return grammar_choice(m, part, parts);
}

/* The point and digits, or nothing. */
static grammar_expr with_point(struct grammar_maker *m, struct fraction f)
{
    int may_be_whole = (!f.low || (f.low->n_fraction == 0 && !f.low_out)) &&
                       (!f.high || f.high->n_fraction || !f.high_out);
    grammar_expr digits = pair(m, grammar_text(m, ".", 1), fraction(m, f, 0));
    return may_be_whole ? grammar_optional(m, digits) : digits;
}

/* Sizes low..high, not negative; high NULL: no bound. */
static grammar_expr sizes(struct grammar_maker *m, const struct decimal *low, int low_out, const struct decimal *high,
                          int high_out)
{
    struct size *s = compile_zeroed(grammar_handle(m), 2, sizeof *s);
    grammar_expr part[3];
    size_t parts = 0;
    if (!s)
        return grammar_ended(m);
    s[0] = size_of(low);
    s[1] = high ? size_of(high) : (struct size){.n = ROOM};
    int same = s[0].n == s[1].n && !memcmp(s[0].digits, s[1].digits, (size_t)s[0].n);
    if (s[0].n <= MOST_DIGITS)
        part[parts++] = pair(m, grammar_text(m, s[0].digits, (size_t)s[0].n),
                             with_point(m, (struct fraction){low, same ? high : NULL, low_out, same && high_out}));
    if (!same && s[1].n <= MOST_DIGITS && compare_size(low, high) < 0)
        part[parts++] = pair(m, grammar_text(m, s[1].digits, (size_t)s[1].n),
                             with_point(m, (struct fraction){NULL, high, 0, high_out}));
    if (!same) {
        add_one(&s[0]);
        int some = s[1].n > MOST_DIGITS || take_one(&s[1]);
        if (some)
            part[parts++] = pair(m, whole(m, s[0].digits, s[0].n, s[1].digits, s[1].n),
                                 with_point(m, (struct fraction){NULL, NULL, 0, 0}));
    }
    compile_free(grammar_handle(m), s);
    return same && compare_size(low, high) > 0 ? never(m) : grammar_choice(m, part, parts);
}

static grammar_expr unbounded(struct grammar_maker *m)
{
    grammar_expr minus = grammar_optional(m, grammar_text(m, "-", 1));
    grammar_expr digits = grammar_choice(
        m, (grammar_expr[]){grammar_text(m, "0", 1), pair(m, digit(m, '1', '9'), any_digits(m, 0, MOST_DIGITS - 1))},
        2);
    grammar_expr point = grammar_optional(m, pair(m, grammar_text(m, ".", 1), any_digits(m, 1, MOST_FRACTION)));
    static const struct grammar_range e[] = {{'e', 'e'}, {'E', 'E'}}, sign[] = {{'+', '+'}, {'-', '-'}};
    grammar_expr exponent = grammar_optional(
        m, grammar_sequence(m,
                            (grammar_expr[]){grammar_class(m, e, 2, 0),
                                             grammar_optional(m, grammar_class(m, sign, 2, 0)), any_digits(m, 1, 3)},
                            3));
    return grammar_sequence(m, (grammar_expr[]){minus, digits, point, exponent}, 4);
}

grammar_expr number_decimals(struct grammar_maker *m, const struct number_bound *low, const struct number_bound *high)
{
    if (!low->text && !high->text)
        return unbounded(m);
    struct decimal *d = compile_zeroed(grammar_handle(m), 3, sizeof *d); /* the last one is zero */
    grammar_expr part[2];
    size_t parts = 0;
    if (!d)
        return grammar_ended(m);
    if (low->text)
        read_decimal(low->text, low->n, &d[0]);
    if (high->text)
        read_decimal(high->text, high->n, &d[1]);
    int low_below = !low->text || d[0].negative;
    int high_below = high->text && (d[1].negative || (!d[1].n && !d[1].n_fraction && high->exclusive));
    if (low_below)
        part[parts++] = pair(m, grammar_text(m, "-", 1),
                             sizes(m, high_below ? &d[1] : &d[2], high_below && high->exclusive,
                                   low->text ? &d[0] : NULL, low->exclusive));
    if (!high_below)
        part[parts++] = sizes(m, low_below ? &d[2] : &d[0], !low_below && low->exclusive, high->text ? &d[1] : NULL,
                              high->exclusive);
    compile_free(grammar_handle(m), d);
    return grammar_choice(m, part, parts);
}

int number_exists(int integer, const struct number_bound *low, const struct number_bound *high)
{
    struct grammar_maker *m = grammar_begin(NULL);
    int exists = m && grammar_has_text(m, integer ? number_integers(m, low, high) : number_decimals(m, low, high));
    grammar_abandon(m);
    return exists;
}

/* ---- multiples -------------------------------------------------------------------------------------------------------------------- */

/* The bound as a 64-bit number within +-10^18, rounded towards the inside; 0: it is beyond that. */
static int small_bound(const struct number_bound *b, int is_low, int64_t *out)
{
    struct decimal d;
    read_decimal(b->text, b->n, &d);
    if (d.huge || d.n > 18)
        return 0;
    int64_t v = 0;
    for (int i = 0; i < d.n; i++)
        v = v * 10 + (d.digits[i] - '0');
    v = d.negative ? -v : v;
    if (d.n_fraction)
        v += is_low ? !d.negative : d.negative ? -1 : 0;
    else if (b->exclusive)
        v += is_low ? 1 : -1;
    *out = v;
    return 1;
}

static grammar_expr listed(struct grammar_maker *m, uint32_t step, int64_t low, int64_t high)
{
    int64_t first = low / step * step;
    first += first < low ? step : 0;
    size_t n = 0, most = first <= high ? (size_t)((high - first) / step) + 1 : 0;
    grammar_expr *e = compile_alloc(grammar_handle(m), most + 1, sizeof *e);
    if (!e)
        return grammar_ended(m);
    for (int64_t v = first; n < most; v += step) {
        char text[24];
        int length = snprintf(text, sizeof text, "%lld", (long long)v);
        e[n++] = grammar_text(m, text, (size_t)length);
    }
    grammar_expr all = grammar_choice(m, e, n);
    compile_free(grammar_handle(m), e);
    return all;
}

/* Multiples above zero of a step that divides a power of ten: the last digits decide. */
static grammar_expr by_last_digits(struct grammar_maker *m, uint32_t step, int digits, int64_t power)
{
    grammar_expr part[2], *e = compile_alloc(grammar_handle(m), (size_t)(power / step + 1), sizeof *e);
    size_t n = 0;
    if (!e)
        return grammar_ended(m);
    for (int64_t v = 0; v < power; v += step) {
        char text[24];
        int length = snprintf(text, sizeof text, "%0*lld", digits, (long long)v);
        e[n++] = grammar_text(m, text, (size_t)length);
    }
    grammar_expr last = grammar_choice(m, e, n);
    compile_free(grammar_handle(m), e);
    part[0] = listed(m, step, 1, power - 1);
    part[1] = grammar_sequence(
        m, (grammar_expr[]){digit(m, '1', '9'), any_digits(m, 0, MOST_DIGITS - 1 - digits), last}, 3);
    return grammar_choice(m, part, 2);
}

grammar_expr number_multiples(struct grammar_maker *m, uint32_t step, const struct number_bound *low,
                              const struct number_bound *high, int *possible)
{
    int64_t from = 0, to = 0, power = 1;
    if (step == 1)
        return *possible = 1, number_integers(m, low, high);
    int digits = 0, has_low = low->text && small_bound(low, 1, &from),
        has_high = high->text && small_bound(high, 0, &to);
    *possible = 1;
    if (has_low && has_high && (to < from || (to - from) / step <= MOST_LIST))
        return listed(m, step, from, to);
    while (digits < 4 && power % step != 0) {
        power *= 10;
        digits++;
    }
    *possible = digits < 4 && (!low->text || has_low) && (!high->text || has_high);
    if (!*possible)
        return 0;
    grammar_expr size = by_last_digits(m, step, digits, power), part[3];
    size_t parts = 0;
    if (!low->text)
        part[parts++] = pair(m, grammar_text(m, "-", 1), size);
    else if (from < 0)
        part[parts++] = listed(m, step, from, high->text && to < -1 ? to : -1);
    if (from <= 0 && (!high->text || to >= 0))
        part[parts++] = grammar_text(m, "0", 1);
    if (!high->text)
        part[parts++] = size;
    else if (to > 0)
        part[parts++] = listed(m, step, from > 1 ? from : 1, to);
    /* a bound on the other side of zero than the open end, or a list that would be too long */
    *possible = (low->text || to >= -(int64_t)step || !high->text) && (high->text || from <= (int64_t)step) &&
                (!low->text || from >= -(int64_t)step * MOST_LIST) && (!high->text || to <= (int64_t)step * MOST_LIST);
    return grammar_choice(m, part, parts);
}
