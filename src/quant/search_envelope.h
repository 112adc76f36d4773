/* Lower envelopes of lines p - t q over t >= 0: see search_grid.h. Included once for each tier.
 *
 * The law is the plain way, in f32: the lowest line at 0 comes first, and of those that are steeper than the last one the one that meets
 * it first comes next. It asks all lines about every line of the envelope (add_lines). Three others find the same in fewer steps, or say
 * that they cannot, since rounding might decide: of lines that are an envelope as they stand (take_in_order), of those that come near one
 * (add_few), and of those that were found to come near one before all were at hand (take_near).
 *
 * What they build on: p and q are exact numbers, so where two lines meet is computed within three roundings of itself. Some lines, and
 * where they meet, lie on or above the envelope (struct bends). A line that passes clearly above all these bends, and is not below the
 * first line at 0, is above the whole envelope, and no line of it is met by that one first, rounding included: what is compared is right
 * within 2^-19 of t q and of p, and clearly is 2^-16 of them. The rest are few, and each is held against each. */
#ifndef QUANT_SEARCH_ENVELOPE_H
#define QUANT_SEARCH_ENVELOPE_H

#include "quant/lanes.h"

#include <math.h>

enum {
    POINTS_MOST = 4096,
    STRIDE = 2 * LANES,
    LINES = 40,
    RIVALS = 24 * LANES, /* that come near */
    MET = 6 * LANES,     /* of which each is held against each */
};

struct line {
    float p, q;
    int code;
};

struct envelope { /* line[i] is the lowest from t = from[i] on; behind the last from: infinity */
    int n;
    float from[LINES + 1];
    struct line line[LINES];
};

struct parabolas { /* of all points of a cell; padded to vectors by points that are never chosen */
    int n;
    float p[POINTS_MOST + STRIDE], q[POINTS_MOST + STRIDE];
    int code[POINTS_MOST + STRIDE];
};

static const float NEAR_ZERO = 0x1p-100f, HUGE_SUM = 0x1p100f; /* between them nothing is rounded for its size */

static float line_at(const struct line *l, float t) { return l->p - t * l->q; }

/* Where the lines of a and b meet. */
static float meeting(const struct line *a, const struct line *b) { return (b->p - a->p) / (b->q - a->q); }

static struct line line_of(const struct parabolas *of, int k) { return (struct line){of->p[k], of->q[k], of->code[k]}; }

/* The lowest of lines at t; of equal ones one and the same everywhere. */
static int lowest_at(const struct parabolas *of, float t)
{
    lanes least[2] = {all_of(INFINITY), all_of(INFINITY)};
    lane_mask at[2] = {{0}, {0}}, here = {0, 1, 2, 3, 4, 5, 6, 7};
    for (int k = 0; k < of->n; k += STRIDE, here += STRIDE)
        for (int i = 0; i < 2; i++) {
            lanes v = load_lanes(of->p + k + i * LANES) - t * load_lanes(of->q + k + i * LANES);
            lane_mask is_less = v < least[i];
            least[i] = lesser(v, least[i]);
            at[i] = (lane_mask)choose(is_less, (lanes)here, (lanes)at[i]);
        }
    lane_mask second = least[1] < least[0];
    at[0] = (lane_mask)choose(second, (lanes)(at[1] + LANES), (lanes)at[0]);
    float value;
    return at[0][lane_of_least(choose(second, least[1], least[0]), &value)];
}

static void add_point(struct parabolas *to, struct line l)
{
    to->p[to->n] = l.p;
    to->q[to->n] = l.q;
    to->code[to->n++] = l.code;
}

/* Fills up to whole strides with lines that are never the lowest. */
static void pad(struct parabolas *of)
{
    for (int k = of->n; k % STRIDE; k++) {
        of->p[k] = INFINITY;
        of->q[k] = 0;
    }
}

/* ---- the plain way ----------------------------------------------------------------------------------------------------------------- */

LANE_OP lane_mask are_below(lanes p, lanes q, const float t[2], const float value[2])
{
    return (p - t[0] * q < all_of(value[0])) | (p - t[1] * q < all_of(value[1]));
}

/* Those that pass below a value at one of two places. */
static void keep_below(struct parabolas *few, const struct parabolas *of, const float t[2], const float value[2])
{
    few->n = 0;
    for (int k = 0; k < of->n; k += LANES) {
        unsigned bits = lane_bits(are_below(load_lanes(of->p + k), load_lanes(of->q + k), t, value));
        for (; bits; bits &= bits - 1)
            add_point(few, line_of(of, k + __builtin_ctz(bits)));
    }
}

/* Of the lines that are steeper than the last of an envelope the one that meets it first comes next. */
static void add_lines(struct envelope *out, const struct parabolas *few, float until)
{
    while (out->n < LINES) {
        const struct line *last = &out->line[out->n - 1];
        lanes first = all_of(INFINITY);
        lane_mask at = {0}, here = {0, 1, 2, 3, 4, 5, 6, 7};
        for (int k = 0; k < few->n; k += LANES, here += LANES) {
            lanes rise = load_lanes(few->q + k) - last->q, t = (load_lanes(few->p + k) - last->p) / rise;
            t = choose(rise > 0, t, all_of(INFINITY));
            at = (lane_mask)choose(t < first, (lanes)here, (lanes)at);
            first = lesser(t, first);
        }
        float t;
        int next = at[lane_of_least(first, &t)];
        if (!(t < until))
            return;
        out->from[out->n] = t;
        out->line[out->n++] = line_of(few, next);
    }
}

/* ---- lines in order ---------------------------------------------------------------------------------------------------------------- */

static uint64_t first_bits(int n) { return n > 0 ? ~(uint64_t)0 >> (64 - n) : 0; }

/* 1: all lines are an envelope in the order in which they stand, and out has it. That each meets the next clearly before it meets the one
 * behind is enough: where a line meets the others then rises with them. known: bits of the lines that need not pass below t and value, as
 * keep_below() has them. At most LINES. */
static int take_in_order(struct envelope *out, const struct parabolas *of, uint64_t known, const float t[2],
                         const float value[2], float until)
{
    const float clearly = 1 + 0x1p-19f;
    float from[LINES];
    uint64_t below = known, rises = 0, bends = 0;
    int n = of->n;
    for (int k = 0; k < n; k += LANES) {
        lanes p = load_lanes(of->p + k), q = load_lanes(of->q + k);
        lanes rise = load_lanes(of->q + k + 1) - q, next = (load_lanes(of->p + k + 1) - p) / rise;
        lanes behind = (load_lanes(of->p + k + 2) - p) / (load_lanes(of->q + k + 2) - q);
        below |= (uint64_t)lane_bits(are_below(p, q, t, value)) << k;
        rises |= (uint64_t)lane_bits((rise > 0) & (next > all_of(NEAR_ZERO))) << k;
        bends |= (uint64_t)lane_bits(next * clearly < behind) << k;
        memcpy(from + k, &next, sizeof next);
    }
    if (~below & first_bits(n) || ~rises & first_bits(n - 1) || ~bends & first_bits(n - 2))
        return 0;
    for (; out->n < n && from[out->n - 1] < until; out->n++) {
        out->from[out->n] = from[out->n - 1];
        out->line[out->n] = line_of(of, out->n);
    }
    return 1;
}

/* ---- lines near an envelope -------------------------------------------------------------------------------------------------------- */

enum { BENDS = 4 * LANES };

struct bends { /* in the order of t, the last at `until`; line: that which comes to one */
    int n;
    lanes t[BENDS], value[BENDS];
    struct line line[BENDS];
    float first, most_q; /* the first's t; of the lines between which what is clear was reckoned */
};

struct rivals { /* the first line of an envelope, and those that may follow */
    int n;
    float p[RIVALS], q[RIVALS];
    int code[RIVALS];
    float t[MET], second[MET]; /* where a line is met first, and next; never: infinity */
    int by[MET];
};

/* 0: there is no room. */
static int add_rival(struct rivals *r, struct line l)
{
    if (r->n == RIVALS)
        return 0;
    r->p[r->n] = l.p;
    r->q[r->n] = l.q;
    r->code[r->n++] = l.code;
    return 1;
}

/* Fills up to whole vectors with lines that are never the lowest. */
static void end_rivals(struct rivals *r)
{
    for (int k = r->n; k % LANES; k++) {
        r->p[k] = INFINITY;
        r->q[k] = 0;
    }
}

static struct line rival(const struct rivals *r, int k) { return (struct line){r->p[k], r->q[k], r->code[k]}; }

/* By which steeper line each one is met first, each held against each: MET at most. */
static void meet_rivals(struct rivals *r)
{
    for (int k = 0; k < r->n; k += LANES) {
        lanes p = load_lanes(r->p + k), q = load_lanes(r->q + k), first = all_of(INFINITY), second = first;
        lane_mask by = {0};
        for (int i = 0; i < r->n; i++) {
            lanes rise = r->q[i] - q, t = choose(rise > 0, (r->p[i] - p) / rise, all_of(INFINITY));
            second = lesser(larger(t, first), second);
            by = (lane_mask)choose(t < first, (lanes)((lane_mask){0} + i), (lanes)by);
            first = lesser(t, first);
        }
        memcpy(r->t + k, &first, sizeof first);
        memcpy(r->second + k, &second, sizeof second);
        memcpy(r->by + k, &by, sizeof by);
    }
}

/* The lowest at t; -1: two are. */
static int lowest_rival(const struct rivals *r, float t)
{
    lanes first = all_of(INFINITY), second = first;
    lane_mask at = {0}, here = {0, 1, 2, 3, 4, 5, 6, 7};
    for (int k = 0; k < r->n; k += LANES, here += LANES) {
        lanes v = load_lanes(r->p + k) - t * load_lanes(r->q + k);
        second = lesser(larger(v, first), second);
        at = (lane_mask)choose(v < first, (lanes)here, (lanes)at);
        first = lesser(v, first);
    }
    float least;
    int lane = lane_of_least(first, &least);
    unsigned equal = lane_bits(first == least);
    return equal & (equal - 1) || lane_bits(second == least) ? -1 : at[lane];
}

static void add_bend(struct bends *b, const struct line *l, float t)
{
    b->line[b->n] = *l;
    b->t[b->n] = all_of(t);
    b->value[b->n++] = all_of(line_at(l, t));
}

/* Makes "below" mean: not clearly above. last: the known line that is the lowest at `until`. 0: numbers are too large or small for that. */
static int widen(struct bends *b, const struct line *last, float until)
{
    const float part = 0x1p-16f, slack = part * (last->p + until * last->q);
    b->first = b->t[0][0];
    b->most_q = 2 * last->q;
    for (int i = 0; i < b->n; i++) {
        b->t[i] += part * until;
        b->value[i] += slack;
    }
    return slack > NEAR_ZERO && slack < HUGE_SUM;
}

LANE_OP lane_mask are_near(lanes p, lanes q, const struct bends *b)
{
    lane_mask are = {0};
    for (int i = 0; i < b->n; i++)
        are |= p - b->t[i] * q < b->value[i];
    return are;
}

/* From the first rival on what add_lines() finds; 0: perhaps not. Where two are met at once the plain way's order would decide. */
static int follow(struct envelope *out, const struct rivals *r, const struct bends *b, float until)
{
    float last = NEAR_ZERO;
    for (int i = 0; r->t[i] < until; i = r->by[i]) {
        int next = r->by[i];
        int is_sure = r->t[i] < r->second[i] && r->t[i] >= last && r->q[next] <= b->most_q;
        if (!is_sure || out->n == LINES)
            return 0;
        last = out->from[out->n] = r->t[i];
        out->line[out->n++] = rival(r, next);
    }
    return 1;
}

/* The envelope of rivals as bends, which lie nowhere below that of all. 0: numbers are too large or too small. */
static int find_bends(struct bends *b, struct rivals *r, float until)
{
    float last = NEAR_ZERO;
    int i = 0;
    meet_rivals(r);
    b->n = 0;
    for (; r->t[i] < until; i = r->by[i]) {
        const struct line l = rival(r, i);
        if (!(r->t[i] >= last) || b->n == BENDS - 1)
            return 0;
        last = r->t[i];
        add_bend(b, &l, last);
    }
    const struct line lowest = rival(r, i);
    add_bend(b, &lowest, until);
    return widen(b, &lowest, until);
}

/* Lowers bends by those of the rivals that are the lowest there, and leaves rivals out that are above them then. 0: as find_bends(). */
static int thin_out(struct rivals *r, struct bends *b, float until)
{
    struct rivals known = {.n = 0};
    const float first = b->first;
    for (int k = 0; k < b->n; k += LANES) {
        lanes t = all_of(until), least = all_of(INFINITY);
        lane_mask at = {0};
        for (int l = 0; l < LANES && k + l < b->n; l++)
            t[l] = b->t[k + l][0];
        for (int i = 0; i < r->n; i++) {
            lanes v = r->p[i] - t * r->q[i];
            at = (lane_mask)choose(v < least, (lanes)((lane_mask){0} + i), (lanes)at);
            least = lesser(v, least);
        }
        for (int l = 0; l < LANES && k + l < b->n; l++) {
            add_rival(&known, b->line[k + l]);
            add_rival(&known, rival(r, at[l]));
        }
    }
    end_rivals(&known);
    if (known.n > MET || !find_bends(b, &known, until))
        return 0;
    b->first = first; /* by which most others were left out */
    int n = r->n;
    r->n = 1;
    for (int k = 0; k < n; k += LANES) {
        unsigned bits = lane_bits(are_near(load_lanes(r->p + k), load_lanes(r->q + k), b)) & (k ? 255 : 254);
        for (; bits; bits &= bits - 1) {
            int i = k + __builtin_ctz(bits);
            if (i < n)
                add_rival(r, rival(r, i));
        }
    }
    end_rivals(r);
    return 1;
}

/* What add_lines() would do with few, whose last two are m and b; 0: perhaps not. at: where the first line and m meet, and m and b. */
static int add_few(struct envelope *out, const struct parabolas *few, const struct line *m, const struct line *b,
                   const float at[2], float until)
{
    const struct line known[] = {out->line[0], line_of(few, lowest_at(few, at[0])), *m,
                                 line_of(few, lowest_at(few, at[1])), *b};
    struct bends bends = {.n = 0};
    struct rivals r;
    float last = 0;
    for (int i = 0; i < 4; i++) {
        const struct line *l = &known[i], *next = &known[i + 1];
        float t = l->q < next->q ? meeting(l, next) : at[i / 2];
        if (!(l->q <= next->q) || !(t >= last))
            return 0;
        add_bend(&bends, l, t);
        last = t;
    }
    add_bend(&bends, b, until);
    if (!(last <= until) || !widen(&bends, b, until) || !(known[0].q >= 0))
        return 0;
    r.n = 0;
    add_rival(&r, known[0]);
    for (int k = 0; k < few->n; k += LANES) {
        unsigned bits = lane_bits(are_near(load_lanes(few->p + k), load_lanes(few->q + k), &bends));
        for (; bits; bits &= bits - 1) {
            int i = k + __builtin_ctz(bits), code = few->code[i];
            int is_there = code == known[0].code || (i < few->n - 2 && (code == m->code || code == b->code));
            if (!is_there && !add_rival(&r, line_of(few, i)))
                return 0;
        }
    }
    end_rivals(&r);
    if (r.n > MET)
        return 0;
    meet_rivals(&r);
    if (follow(out, &r, &bends, until))
        return 1;
    out->n = 1;
    return 0;
}

/* ---- all of it --------------------------------------------------------------------------------------------------------------------- */

/* A line that is the lowest somewhere between two that are on the envelope passes below their meeting: few of all do so, once a line in
 * the middle is known. */
static void find_lines(struct envelope *out, const struct parabolas *of, int first, struct parabolas *few, float until)
{
    int last = lowest_at(of, until);
    struct line a = line_of(of, first), b = line_of(of, last);
    out->n = 1;
    out->from[0] = 0;
    out->line[0] = a;
    if (!(b.q > a.q) || !(b.p > a.p))
        return;
    float t = meeting(&a, &b);
    int middle = lowest_at(of, t);
    struct line m = line_of(of, middle);
    if (!(line_at(&m, t) < line_at(&a, t)) || !(m.q > a.q) || !(m.q < b.q)) {
        out->from[1] = t;
        out->line[out->n++] = b;
        return;
    }
    const float at[2] = {meeting(&a, &m), meeting(&m, &b)}, value[2] = {line_at(&a, at[0]), line_at(&m, at[1])};
    if (first == 0 && last == of->n - 1 && of->n <= LINES) {
        const uint64_t known = 1 | (uint64_t)1 << middle | (uint64_t)1 << last;
        if (take_in_order(out, of, known, at, value, until))
            return;
    }
    keep_below(few, of, at, value);
    add_point(few, m);
    add_point(few, b);
    pad(few);
    if (!add_few(out, few, &m, &b, at, until))
        add_lines(out, few, until);
}

/* What find_lines() would find among all lines, of rivals alone that are near to bends, the first of them the lowest at 0; 0: perhaps
 * not. */
static int take_near(struct envelope *out, struct rivals *r, struct bends *bends, float until)
{
    enum { MANY = 3 * LANES };
    for (int times = 0; times < 2 && r->n > MANY; times++)
        if (!thin_out(r, bends, until))
            return 0;
    if (r->n > MET)
        return 0;
    int last = lowest_rival(r, until);
    struct line a = rival(r, 0), b = rival(r, last < 0 ? 0 : last);
    out->n = 1;
    out->from[0] = 0;
    out->line[0] = a;
    if (last < 0)
        return 0;
    if (!(b.q > a.q) || !(b.p > a.p))
        return 1;
    float t = meeting(&a, &b);
    int middle = lowest_rival(r, t);
    if (middle < 0 || !(t >= bends->first))
        return 0;
    struct line m = rival(r, middle);
    if (!(line_at(&m, t) < line_at(&a, t)) || !(m.q > a.q) || !(m.q < b.q)) {
        out->from[1] = t;
        out->line[out->n++] = b;
        return 1;
    }
    meet_rivals(r);
    if (!follow(out, r, bends, until))
        return 0;
    const float at[2] = {meeting(&a, &m), meeting(&m, &b)}, value[2] = {line_at(&a, at[0]), line_at(&m, at[1])};
    for (int i = 1; i < out->n; i++) {
        const struct line *l = &out->line[i];
        int is_known = l->code == m.code || l->code == b.code;
        if (!is_known && !(line_at(l, at[0]) < value[0]) && !(line_at(l, at[1]) < value[1]))
            return 0;
    }
    return 1;
}

static void end_envelope(struct envelope *e) { e->from[e->n] = INFINITY; }

/* The envelope from t = 0 to `until`, of which the line that is the lowest at 0 is known. */
static void make_envelope(struct envelope *out, const struct parabolas *of, int first, struct parabolas *few,
                          float until)
{
    find_lines(out, of, first, few, until);
    end_envelope(out);
}

/* ---- sums -------------------------------------------------------------------------------------------------------------------------- */

enum { GROUP_CELLS = 4, GROUP_LINES = GROUP_CELLS * LINES };

struct total { /* the sum of the envelopes of a group's cells: a line for each interval */
    int n;
    float from[GROUP_LINES], p[GROUP_LINES], q[GROUP_LINES];
};

LANE_OP void add_cells(struct total *out, const struct envelope *const *cell, const int n)
{
    int at[GROUP_CELLS] = {0}, count = 0;
    for (float t = 0; t < INFINITY; count++) {
        float next = INFINITY, p = 0, q = 0;
        for (int i = 0; i < n; i++) {
            const struct envelope *e = cell[i];
            at[i] += e->from[at[i] + 1] <= t; /* as a number: which cell goes on is not to be foretold */
            while (e->from[at[i] + 1] <= t)
                at[i]++;
            p += e->line[at[i]].p;
            q += e->line[at[i]].q;
            next = e->from[at[i] + 1] < next ? e->from[at[i] + 1] : next;
        }
        out->from[count] = t;
        out->p[count] = p;
        out->q[count] = q;
        t = next;
    }
    out->n = count;
}

static void add_envelopes(struct total *out, const struct envelope *const *cell, int n)
{
    if (n == GROUP_CELLS)
        add_cells(out, cell, GROUP_CELLS);
    else
        add_cells(out, cell, n);
}

/* The lowest line at t. */
static int lookup(const float *from, int n, float t)
{
    int at = 0;
    for (int width = n; width > 1;) {
        int half = width / 2;
        at += from[at + half] <= t ? half : 0;
        width -= half;
    }
    return at;
}

#endif
