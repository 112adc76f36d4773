/* Ranges of numbers: number.h.
 *
 * A bound becomes a plain decimal (decimal.h). A range of equally long texts is cut at the first digit that differs, as one does on paper:
 *
 *     127..243    1 2 [7-9] | 1 [3-9] any | 2 [0-3] any | 2 4 [0-3]
 *
 * What is written here comes back as history, through parsers that read digits alone as an integer of 64 bits and anything else as a
 * double. So digits alone stay within 64 bits; more of them need a point or an exponent; and an exponent leaves every number finite. */
#include "text/schema/number.h"

#include "text/grammar/compile.h"
#include "text/schema/decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* MOST_DIGITS in front of a point, unless a bound has more: up to MOST_FINITE, any of which are a finite double. */
/* BOUND_DIGITS: more than any number of 64 bits has. LAST_DIGITS decide about a multiple, at most. */
enum { MOST_DIGITS = 19, BOUND_DIGITS = 20, LAST_DIGITS = 3, MOST_FINITE = 308, MOST_FRACTION = 20, MOST_LIST = 10000 };

/* The largest sizes of integers of 64 bits. */
static const char most_positive[] = "9223372036854775807", most_negative[] = "9223372036854775808";

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

/* States of a machine of digits: i were read, and the bounds of this mask are still equal to them. */
enum { AT_LOW = 1, AT_HIGH = 2 };

static uint32_t digits_state(int i, int bounds, int n)
{
    return i == 0 ? 0 : i == n ? 1 : 2 + (uint32_t)i * 4 + (uint32_t)bounds;
}

/* Steps from a state; how many. */
static size_t digits_steps(struct grammar_maker *m, const char *low, const char *high, int i, int bounds, int n,
                           struct grammar_step *step)
{
    int at_low = bounds & AT_LOW, at_high = bounds & AT_HIGH, from = at_low ? low[i] : '0',
        to = at_high ? high[i] : '9';
    int first = from + (at_low != 0), last = to - (at_high != 0);
    uint32_t state = digits_state(i, bounds, n);
    size_t steps = 0;
    if (from == to && bounds) {
        step[steps++] = (struct grammar_step){state, digits_state(i + 1, bounds, n), digit(m, from, to)};
        return steps;
    }
    if (at_low)
        step[steps++] = (struct grammar_step){state, digits_state(i + 1, AT_LOW, n), digit(m, from, from)};
    if (first <= last)
        step[steps++] = (struct grammar_step){state, digits_state(i + 1, 0, n), digit(m, first, last)};
    if (at_high)
        step[steps++] = (struct grammar_step){state, digits_state(i + 1, AT_HIGH, n), digit(m, to, to)};
    return steps;
}

/* Texts of n digits between two. What follows a digit that is apart from a bound is written once for all of them: written out for each,
 * 300 digits would be 45,000 states. */
static grammar_expr between_many(struct grammar_maker *m, const char *low, const char *high, int n)
{
    struct grammar_step *step = compile_alloc(grammar_handle(m), (size_t)n * 8, sizeof *step);
    size_t steps = 0;
    int together = 0;
    if (!step)
        return grammar_ended(m);
    while (together < n && low[together] == high[together])
        together++;
    for (int i = 0; i < n; i++) {
        if (i <= together)
            steps += digits_steps(m, low, high, i, AT_LOW | AT_HIGH, n, step + steps);
        for (int bounds = 0; bounds < 3 && i > together; bounds++)
            steps += digits_steps(m, low, high, i, bounds, n, step + steps);
    }
    grammar_expr e = grammar_machine(m, 2 + (uint32_t)n * 4, step, steps);
    compile_free(grammar_handle(m), step);
    return e;
}

/* Digits i.. of texts between two of the same length; a bound that is NULL was left behind. */
static grammar_expr between(struct grammar_maker *m, const char *low, const char *high, int i, int n)
{
    grammar_expr part[3];
    size_t parts = 0;
    if (i == n)
        return grammar_text(m, "", 0);
    if (i == 0 && n > MOST_DIGITS + 1)
        return between_many(m, low, high, n);
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

/* Digits of a whole number without sign: no leading zeros, zero is "0". */
struct size {
    char digits[DECIMAL_MOST + 2];
    int n;
};

static int compare_sizes(const struct size *a, const struct size *b)
{
    return a->n != b->n ? (a->n < b->n ? -1 : 1) : memcmp(a->digits, b->digits, (size_t)a->n);
}

static struct size size_of_text(const char *digits)
{
    struct size s = {.n = (int)strlen(digits)};
    memcpy(s.digits, digits, (size_t)s.n);
    return s;
}

/* As large as n digits can be. */
static struct size nines(int n)
{
    struct size s = {.n = n};
    memset(s.digits, '9', (size_t)n);
    return s;
}

static const struct size *smaller(const struct size *a, const struct size *b)
{
    return compare_sizes(a, b) < 0 ? a : b;
}

static int are_all(const char *digits, int n, char digit)
{
    while (n && digits[n - 1] == digit)
        n--;
    return n == 0;
}

/* Whole numbers low..high. */
static grammar_expr whole(struct grammar_maker *m, const struct size *low, const struct size *high)
{
    grammar_expr part[3];
    size_t parts = 0;
    if (compare_sizes(low, high) > 0)
        return never(m);
    if (low->n == high->n)
        return between(m, low->digits, high->digits, 0, low->n);
    int all_low = low->digits[0] == '1' && are_all(low->digits + 1, low->n - 1, '0');
    int all_high = are_all(high->digits, high->n, '9');
    int from = low->n + !all_low, to = high->n - !all_high; /* lengths that any digits may have */
    struct size least = {.digits = "1", .n = high->n}, most = nines(low->n);
    memset(least.digits + 1, '0', (size_t)least.n - 1);
    if (!all_low)
        part[parts++] = between(m, low->digits, most.digits, 0, low->n);
    if (from <= to)
        part[parts++] = pair(m, digit(m, '1', '9'), any_digits(m, from - 1, to - 1));
    if (!all_high)
        part[parts++] = between(m, least.digits, high->digits, 0, high->n);
    return grammar_choice(m, part, parts);
}

/* ---- integers ------------------------------------------------------------------------------------------------------------------- */

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

/* Without its fraction. */
static struct size size_of(const struct decimal *d)
{
    struct size s = {.n = d->n ? d->n : 1};
    memcpy(s.digits, d->n ? d->digits : "0", (size_t)s.n);
    return s;
}

/* Sizes of whole numbers on one side of zero: least and most of them; 0: none. NULL: no bound. */
static int side(const struct decimal *least, int least_out, const struct decimal *most, int most_out, struct size *low,
                struct size *high)
{
    *low = least ? size_of(least) : (struct size){"0", 1};
    if (least && (least->n_fraction || least_out))
        add_one(low);
    *high = (struct size){.n = DECIMAL_MOST};
    if (most) {
        *high = size_of(most);
        if (!most->n_fraction && most_out && !take_one(high))
            return 0;
    }
    return 1;
}

/* The same without zero. */
static grammar_expr counting(struct grammar_maker *m, const struct size *low, const struct size *high)
{
    const struct size one = {"1", 1};
    return whole(m, low->digits[0] == '0' ? &one : low, high);
}

grammar_expr number_integers(struct grammar_maker *m, const struct number_bound *low, const struct number_bound *high)
{
    const struct size most[] = {size_of_text(most_negative), size_of_text(most_positive)};
    struct decimal *d = compile_zeroed(grammar_handle(m), 2, sizeof *d);
    struct size *s = compile_zeroed(grammar_handle(m), 2, sizeof *s);
    grammar_expr part[3];
    size_t parts = 0;
    if (d && s) {
        if (low->text)
            decimal_read(low->text, low->n, &d[0]);
        if (high->text)
            decimal_read(high->text, high->n, &d[1]);
        int low_below = !low->text || d[0].negative, high_above = !high->text || !d[1].negative;
        int zero = low_below || (d[0].n == 0 && d[0].n_fraction == 0 && !low->exclusive);
        zero = zero && (!high->text || (!d[1].negative && (d[1].n || d[1].n_fraction || !high->exclusive)));
        if (low_below &&
            side(high_above ? NULL : &d[1], high->exclusive, low->text ? &d[0] : NULL, low->exclusive, &s[0], &s[1])) {
            part[parts++] = pair(m, grammar_text(m, "-", 1), counting(m, &s[0], smaller(&s[1], &most[0])));
        }
        if (zero)
            part[parts++] = grammar_text(m, "0", 1);
        if (high_above &&
            side(low_below ? NULL : &d[0], low->exclusive, high->text ? &d[1] : NULL, high->exclusive, &s[0], &s[1])) {
            part[parts++] = counting(m, &s[0], smaller(&s[1], &most[1]));
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

/* The point and digits; or nothing, if digits alone are read as what they are. */
static grammar_expr with_point(struct grammar_maker *m, struct fraction f, int fits)
{
    int may_be_whole = fits && (!f.low || (f.low->n_fraction == 0 && !f.low_out)) &&
                       (!f.high || f.high->n_fraction || !f.high_out);
    grammar_expr digits = pair(m, grammar_text(m, ".", 1), fraction(m, f, 0));
    return may_be_whole ? grammar_optional(m, digits) : digits;
}

/* One whole number and what follows it. */
static grammar_expr at_bound(struct grammar_maker *m, const struct size *s, struct fraction f, const struct size *limit)
{
    return pair(m, grammar_text(m, s->digits, (size_t)s->n), with_point(m, f, compare_sizes(s, limit) <= 0));
}

/* Whole numbers low..high and any fraction. */
static grammar_expr inside(struct grammar_maker *m, struct size *low, const struct size *high, const struct size *limit)
{
    const struct fraction any = {0};
    struct size beyond = *limit;
    add_one(&beyond);
    grammar_expr fits = pair(m, whole(m, low, smaller(high, limit)), with_point(m, any, 1));
    if (compare_sizes(high, limit) <= 0)
        return fits;
    const struct size *from = compare_sizes(low, limit) > 0 ? low : &beyond;
    return grammar_choice(m, (grammar_expr[]){fits, pair(m, whole(m, from, high), with_point(m, any, 0))}, 2);
}

/* Sizes low..high, not negative; high NULL: no bound. limit: the largest that digits alone may be. */
static grammar_expr sizes(struct grammar_maker *m, const struct decimal *low, int low_out, const struct decimal *high,
                          int high_out, const char *limit)
{
    struct size s[2] = {size_of(low)}, fits = size_of_text(limit);
    grammar_expr part[3];
    size_t parts = 0;
    if (s[0].n > MOST_FINITE || (high && decimal_compare_size(low, high) > 0))
        return never(m);
    const struct size most = nines(s[0].n > MOST_DIGITS ? s[0].n : MOST_DIGITS);
    s[1] = high ? size_of(high) : most;
    int same = high && compare_sizes(&s[0], &s[1]) == 0, has_end = high && s[1].n <= most.n;
    part[parts++] = at_bound(m, &s[0], (struct fraction){low, same ? high : NULL, low_out, same && high_out}, &fits);
    if (same)
        return part[0];
    if (has_end)
        part[parts++] = at_bound(m, &s[1], (struct fraction){NULL, high, 0, high_out}, &fits);
    add_one(&s[0]);
    if (!has_end || take_one(&s[1]))
        part[parts++] = inside(m, &s[0], smaller(&s[1], &most), &fits);
    return grammar_choice(m, part, parts);
}

/* At most 289 upwards: with 19 digits in front that is below 10^308, and finite. Downwards anything is, if only zero. */
static grammar_expr exponent(struct grammar_maker *m)
{
    static const struct grammar_range e[] = {{'e', 'e'}, {'E', 'E'}};
    grammar_expr size[] = {
        any_digits(m, 1, 2), pair(m, digit(m, '0', '1'), any_digits(m, 2, 2)),
        grammar_sequence(m, (grammar_expr[]){digit(m, '2', '2'), digit(m, '0', '8'), any_digits(m, 1, 1)}, 3)};
    grammar_expr up = pair(m, grammar_optional(m, grammar_text(m, "+", 1)), grammar_choice(m, size, 3));
    grammar_expr down = pair(m, grammar_text(m, "-", 1), any_digits(m, 1, 3));
    return pair(m, grammar_class(m, e, 2, 0), grammar_choice(m, (grammar_expr[]){up, down}, 2));
}

static grammar_expr unbounded(struct grammar_maker *m)
{
    const struct size one = {"1", 1}, most = nines(MOST_DIGITS), limit = size_of_text(most_positive),
                      least = size_of_text(most_negative);
    grammar_expr power = exponent(m), point = pair(m, grammar_text(m, ".", 1), any_digits(m, 1, MOST_FRACTION));
    grammar_expr real = grammar_choice(m, (grammar_expr[]){pair(m, point, grammar_optional(m, power)), power}, 2);
    grammar_expr digits = grammar_choice(m, (grammar_expr[]){grammar_text(m, "0", 1), whole(m, &one, &limit)}, 2);
    grammar_expr size[] = {pair(m, digits, grammar_optional(m, real)), pair(m, whole(m, &least, &most), real)};
    grammar_expr minus = grammar_optional(m, grammar_text(m, "-", 1));
    grammar_expr number = pair(m, minus, grammar_choice(m, size, 2)),
                 last = grammar_text(m, "-9223372036854775808", 20);
    return grammar_choice(m, (grammar_expr[]){number, last}, 2);
}

/* A bound d, which its text may lie on unless *out, narrowed to what is read as a double beyond the exclusive ones. */
static void narrow_to_doubles(struct grammar_maker *m, const struct number_bound *b, int is_low, struct decimal *d,
                              int *out, struct decimal *scratch)
{
    enum { STEPS = 1000 }; /* a double written out */
    compile_work(grammar_handle(m), b->beyond ? STEPS : 0);
    int on_it = b->beyond ? decimal_beyond_double(b->beyond, is_low, scratch) : -1;
    int order = on_it < 0 ? 0 : decimal_order(scratch, d);
    if (on_it < 0 || (is_low ? order < 0 : order > 0))
        return;
    *out = order ? !on_it : *out || !on_it;
    *d = *scratch;
}

grammar_expr number_decimals(struct grammar_maker *m, const struct number_bound *low, const struct number_bound *high)
{
    if (!low->text && !high->text)
        return unbounded(m);
    struct decimal *d = compile_zeroed(grammar_handle(m), 4, sizeof *d); /* the third is zero, the last one scratch */
    grammar_expr part[2];
    size_t parts = 0;
    int low_out = low->exclusive, high_out = high->exclusive;
    if (!d)
        return grammar_ended(m);
    if (low->text) {
        decimal_read(low->text, low->n, &d[0]);
        narrow_to_doubles(m, low, 1, &d[0], &low_out, &d[3]);
    }
    if (high->text) {
        decimal_read(high->text, high->n, &d[1]);
        narrow_to_doubles(m, high, 0, &d[1], &high_out, &d[3]);
    }
    int low_below = !low->text || d[0].negative;
    int high_below = high->text && (d[1].negative || (!d[1].n && !d[1].n_fraction && high_out));
    if (low_below)
        part[parts++] = pair(m, grammar_text(m, "-", 1),
                             sizes(m, high_below ? &d[1] : &d[2], high_below && high_out, low->text ? &d[0] : NULL,
                                   low_out, most_negative));
    if (!high_below)
        part[parts++] = sizes(m, low_below ? &d[2] : &d[0], !low_below && low_out, high->text ? &d[1] : NULL, high_out,
                              most_positive);
    compile_free(grammar_handle(m), d);
    return grammar_choice(m, part, parts);
}

int number_exists(struct compile *compile, int integer, const struct number_bound *low, const struct number_bound *high)
{
    struct grammar_maker *m = grammar_begin(compile);
    int exists = m && grammar_has_text(m, integer ? number_integers(m, low, high) : number_decimals(m, low, high));
    grammar_abandon(m);
    return exists;
}

/* ---- multiples -------------------------------------------------------------------------------------------------------------------- */

/* The bound as a whole number, rounded towards the inside. One beyond 64 bits stays beyond them. */
static __int128 whole_bound(const struct number_bound *b, int is_low)
{
    struct decimal d;
    __int128 v = 0;
    decimal_read(b->text, b->n, &d);
    for (int i = 0; i < d.n && i < BOUND_DIGITS; i++)
        v = v * 10 + (d.digits[i] - '0');
    v = d.negative ? -v : v;
    if (d.n_fraction)
        v += is_low ? !d.negative : -d.negative;
    else if (b->exclusive)
        v += is_low ? 1 : -1;
    return v;
}

/* Sizes of numbers on one side of zero, which is not among them; low above high: none. */
struct sizes {
    uint64_t low, high;
};

static struct sizes sizes_between(__int128 low, __int128 high, __int128 most)
{
    low = low > 1 ? low : 1;
    high = high < most ? high : most;
    return low <= high ? (struct sizes){(uint64_t)low, (uint64_t)high} : (struct sizes){1, 0};
}

static uint64_t n_multiples(struct sizes s, uint32_t step) { return s.high / step - (s.low - 1) / step; }

/* All of them, with zeros in front where they have fewer digits. */
static grammar_expr listed(struct grammar_maker *m, uint32_t step, uint64_t low, uint64_t high, int digits)
{
    uint64_t first = (low + step - 1) / step * step;
    size_t n = 0, most = first <= high ? (size_t)((high - first) / step) + 1 : 0;
    grammar_expr *e = compile_alloc(grammar_handle(m), most + 1, sizeof *e);
    if (!e)
        return grammar_ended(m);
    for (uint64_t v = first; n < most; v += step) {
        char text[24];
        int length = snprintf(text, sizeof text, "%0*llu", digits, (unsigned long long)v);
        e[n++] = grammar_text(m, text, (size_t)length);
    }
    grammar_expr all = grammar_choice(m, e, n);
    compile_free(grammar_handle(m), e);
    return all;
}

/* Numbers head * power + low..high, of a step that divides the power of ten: the last digits decide. */
struct last_digits {
    uint32_t step;
    int digits;
    uint64_t power;
};

static grammar_expr behind_head(struct grammar_maker *m, const struct last_digits *l, uint64_t head, uint64_t low,
                                uint64_t high)
{
    char text[24];
    int length = snprintf(text, sizeof text, "%llu", (unsigned long long)head);
    if (head == 0)
        return listed(m, l->step, low, high, 1);
    return pair(m, grammar_text(m, text, (size_t)length), listed(m, l->step, low, high, l->digits));
}

static struct size size_of_number(uint64_t n)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)n);
    return size_of_text(text);
}

static grammar_expr by_last_digits(struct grammar_maker *m, const struct last_digits *l, struct sizes s)
{
    uint64_t first = s.low / l->power, last = s.high / l->power;
    grammar_expr part[3];
    size_t parts = 0;
    if (first == last)
        return behind_head(m, l, first, s.low % l->power, s.high % l->power);
    part[parts++] = behind_head(m, l, first, s.low % l->power, l->power - 1);
    if (first + 1 < last) {
        const struct size low = size_of_number(first + 1), high = size_of_number(last - 1);
        part[parts++] = pair(m, whole(m, &low, &high), listed(m, l->step, 0, l->power - 1, l->digits));
    }
    part[parts++] = behind_head(m, l, last, 0, s.high % l->power);
    return grammar_choice(m, part, parts);
}

grammar_expr number_multiples(struct grammar_maker *m, uint32_t step, const struct number_bound *low,
                              const struct number_bound *high, int *possible)
{
    if (step == 1)
        return *possible = 1, number_integers(m, low, high);
    __int128 from = low->text ? whole_bound(low, 1) : INT64_MIN, to = high->text ? whole_bound(high, 0) : INT64_MAX;
    struct sizes below = sizes_between(-to, -from, (__int128)INT64_MAX + 1), above = sizes_between(from, to, INT64_MAX);
    struct last_digits l = {step, 0, 1};
    grammar_expr part[3];
    size_t parts = 0;
    for (; l.digits < LAST_DIGITS && l.power % step != 0; l.power *= 10)
        l.digits++;
    int by_digits = l.power % step == 0;
    *possible = by_digits || n_multiples(below, step) + n_multiples(above, step) <= MOST_LIST;
    if (!*possible)
        return 0;
    if (below.low <= below.high)
        part[parts++] = pair(m, grammar_text(m, "-", 1),
                             by_digits ? by_last_digits(m, &l, below) : listed(m, step, below.low, below.high, 1));
    if (from <= 0 && to >= 0)
        part[parts++] = grammar_text(m, "0", 1);
    if (above.low <= above.high)
        part[parts++] = by_digits ? by_last_digits(m, &l, above) : listed(m, step, above.low, above.high, 1);
    return grammar_choice(m, part, parts);
}
