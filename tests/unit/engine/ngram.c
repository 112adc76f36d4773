/* links: engine text model store op machine kernel format base */
/* Drafts by what a text repeats.
 *
 *     build/tests/unit/engine/ngram --bench      microseconds of a step with 100,000 tokens of history, median and nine of ten, where it
 *                                                searches a known prefix, where it learns of it, and where all is learnt; between two
 *                                                steps the caches are filled with something else, as a step of a model does */
#include "engine/draft/ngram.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void open_tables(struct ngram *g, int n_ctx)
{
    void *memory = calloc(1, ngram_bytes(n_ctx));
    assert_non_null(memory);
    ngram_init(g, memory, n_ctx);
}

/* What is proposed behind text [n] is the n_want tokens of want. */
static void expect(struct ngram *g, const stoker_token *text, size_t n, int most, const stoker_token *want, int n_want)
{
    stoker_token out[STOKER_DRAFT_MOST];
    assert_int_equal(ngram_propose(g, text, n, 0, most, out), n_want);
    assert_memory_equal(out, want, (size_t)n_want * sizeof *want);
}

static void longest_match_goes_first(void **state)
{
    /* 1 2 3 4 5 stands twice; behind 4 5 alone came 9 last */
    static const stoker_token text[] = {1, 2, 3, 4, 5, 6, 7, 8, 4, 5, 9, 10, 1, 2, 3, 4, 5};
    struct ngram g;
    (void)state;
    open_tables(&g, 100);
    expect(&g, text, 17, 4, text + 5, 4);
    expect(&g, text, 17, 1, text + 5, 1);
    free(g.next);
}

static void short_matches_bring_little(void **state)
{
    static const stoker_token text[] = {1, 2, 3, 4, 5, 6, 7, 8, 20, 1, 2, 3}, pair[] = {1, 2, 7, 7, 7, 9, 1, 2};
    struct ngram g;
    (void)state;
    open_tables(&g, 100);
    expect(&g, text, 12, 8, text + 3, 4);
    ngram_begin(&g, 2);
    expect(&g, pair, 8, 8, pair + 2, 2);
    free(g.next);
}

static void new_text_brings_nothing(void **state)
{
    static const stoker_token text[] = {1, 2, 3, 4, 5, 6, 7};
    struct ngram g;
    (void)state;
    open_tables(&g, 100);
    for (size_t n = 1; n <= 7; n++)
        expect(&g, text, n, 8, text, 0);
    free(g.next);
}

/* What it repeats is shorter than what is asked for. */
static void a_loop_goes_on(void **state)
{
    static const stoker_token text[] = {4, 8, 6, 4, 8, 6, 4, 8, 6, 4, 8, 6, 4, 8, 6}, want[] = {4, 8, 6, 4, 8, 6, 4, 8};
    struct ngram g;
    (void)state;
    open_tables(&g, 100);
    expect(&g, text, 15, 8, want, 8);
    free(g.next);
}

/* Items of the same five and six keys, behind each of which a value stands; the second one is another one in each item. */
enum { KEYS = 5, ITEM = 13, ITEMS = 12 };
static void write_items(stoker_token text[ITEM * ITEMS], const stoker_token *value)
{
    for (int i = 0; i < ITEM * ITEMS; i++) {
        int at = i % ITEM;
        text[i] = at < KEYS ? at + 1 : at == KEYS ? value[i / ITEM] : at < ITEM - 1 ? at + 15 : 200 + i / ITEM;
    }
}

/* How many tokens are drafted behind the first keys of item i: once all before is known step by step, or, at_once, from its end on. */
static int drafted_of(const stoker_token *value, int i, int at_once)
{
    const size_t n = ITEM * (size_t)i + KEYS;
    stoker_token text[ITEM * ITEMS], out[STOKER_DRAFT_MOST];
    struct ngram g;
    int drafted = 0;
    open_tables(&g, 1 << 15); /* hardly a place is shared */
    write_items(text, value);
    for (size_t have = at_once ? n : 1; have < n; have++)
        ngram_propose(&g, text, have, 0, 1, out);
    for (int step = 0; step < (at_once ? 40 : 1); step++)
        drafted = ngram_propose(&g, text, n, 0, STOKER_DRAFT_MOST, out);
    ngram_begin(&g, 2); /* another text varies where it does */
    for (int k = 0; k < ITEM; k++)
        text[k] = text[k + ITEM] = 500 + k;
    for (size_t have = 1; have <= ITEM + 5; have++)
        assert_int_equal(ngram_propose(&g, text, have, 0, STOKER_DRAFT_MOST, out) > 2, have >= ITEM + 3);
    assert_int_equal(ngram_propose(&g, text, ITEM + 5, 0, STOKER_DRAFT_MOST, out), STOKER_DRAFT_MOST);
    free(g.next);
    return drafted;
}

/* Behind keys that are alike stands what differs from item to item: drafts end there. */
static void drafts_end_where_a_text_varies(void **state)
{
    static const stoker_token differ[ITEMS] = {50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61},
                              settled[ITEMS] = {50, 51, 51, 51, 51, 51, 51, 51, 51, 51, 51, 51};
    (void)state;
    for (int at_once = 0; at_once < 2; at_once++) {
        assert_int_equal(drafted_of(differ, 1, at_once), STOKER_DRAFT_MOST); /* nothing is known to vary */
        for (int i = 2; i < ITEMS; i++)
            assert_int_equal(drafted_of(differ, i, at_once), 0);
        assert_int_equal(drafted_of(settled, 2, at_once), 0);
    }
    assert_int_equal(drafted_of(settled, ITEMS - 1, 0), ITEM - 1 - KEYS); /* up to the second value */
}

/* A value's first token varies; what stands behind it is its own, until it was seen twice. */
static void a_value_goes_on_as_it_did_twice(void **state)
{
    static const stoker_token text[] = {1,  2,  3, 4, 5, 50, 70, 10, 1,  2,  3, 4, 5, 51, 71, 11,
                                        12, 1,  2, 3, 4, 5,  52, 72, 13, 1,  2, 3, 4, 5,  51, 71,
                                        14, 15, 1, 2, 3, 4,  5,  53, 73, 16, 1, 2, 3, 4,  5,  51};
    enum { ONCE = 31, TWICE = 48 };
    stoker_token out[STOKER_DRAFT_MOST];
    struct ngram g;
    (void)state;
    open_tables(&g, 1 << 15);
    for (uint64_t again = 0; again < 2; again++) { /* the tables still have each place of the first time */
        ngram_begin(&g, again);
        for (size_t n = 1; n < ONCE; n++)
            ngram_propose(&g, text, n, 0, 1, out);
        expect(&g, text, ONCE, 8, text, 0);
    }
    for (size_t n = ONCE + 1; n < TWICE; n++)
        ngram_propose(&g, text, n, 0, 1, out);
    expect(&g, text, TWICE, 8, text + ONCE, 1); /* what came behind it differed */
    free(g.next);
}

/* As many tokens as the tables are for: most are found again. */
static void few_places_are_shared(void **state)
{
    enum { N = 500, SAME = 5 };
    stoker_token text[N + SAME], out;
    struct ngram g;
    int found = 0;
    (void)state;
    open_tables(&g, N);
    for (size_t i = 0; i < N; i++)
        text[i] = (stoker_token)(rng_u64(i, 1, 1, 1) % 100000);
    for (size_t n = 1; n <= N; n++)
        ngram_propose(&g, text, n, 0, 1, &out);
    for (size_t i = 0; i + SAME < N; i++) {
        memcpy(text + N, text + i, SAME * sizeof *text);
        found += ngram_propose(&g, text, N, SAME, 1, &out) == 1 && g.found == SAME && out == text[i + SAME];
    }
    assert_true(found > 4 * N / 5);
    free(g.next);
}

/* A text that is repeated with its values goes past them, once it has gone past some; until one is another. */
static void who_follows_goes_past_what_varies(void **state)
{
    static stoker_token value[ITEMS] = {50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61};
    enum { ALL = ITEM * ITEMS, CHANGED = ALL + ITEM * 6 + KEYS };
    stoker_token text[2 * ALL], out[STOKER_DRAFT_MOST];
    struct ngram g;
    (void)state;
    open_tables(&g, 1 << 15);
    write_items(text, value);
    write_items(text + ALL, value);
    text[CHANGED] = 99;
    for (size_t n = 1; n < 2 * ALL - STOKER_DRAFT_MOST; n++) {
        int drafted = ngram_propose(&g, text, n, 0, STOKER_DRAFT_MOST, out);
        if (n > ALL + 4 * ITEM && n <= CHANGED)
            assert_int_equal(drafted, STOKER_DRAFT_MOST);
        if (n == CHANGED + 6) /* one key is left before the second value */
            assert_int_equal(drafted, 1);
        if (n > CHANGED + 5 * ITEM)
            assert_int_equal(drafted, STOKER_DRAFT_MOST);
    }
    free(g.next);
}

/* Another text in the same tables: what they hold of the first is compared, and does not fit. */
static void stale_places_are_compared(void **state)
{
    enum { N = 3000 };
    static stoker_token text[N], out[STOKER_DRAFT_MOST];
    struct ngram g;
    (void)state;
    open_tables(&g, 60); /* far fewer places than tokens */
    for (int round = 0; round < 3; round++) {
        ngram_begin(&g, (uint64_t)round + 1);
        for (uint32_t i = 0; i < N; i++)
            text[i] = (stoker_token)(rng_u64(3, i, 1, (uint32_t)round) % 20);
        for (size_t n = 1; n < N; n++) {
            int got = ngram_propose(&g, text, n, 0, 8, out), holds = 0;
            assert_in_range(got, 0, 8);
            for (size_t at = 2; got && at < n && !holds; at++)
                holds = memcmp(text + at - 2, text + n - 2, 2 * sizeof *text) == 0 && text[at] == out[0];
            assert_true(!got || holds);
        }
    }
    free(g.next);
}

/* 30, 31 .. is predicted: from its first token on, behind an edit, up to its end. */
static void a_prediction_is_followed(void **state)
{
    static const stoker_token prediction[] = {30, 31, 32, 33, 34, 35, 36, 37},
                              text[] = {1, 31, 32, 9, 30, 31, 32, 33, 50, 33, 34, 35, 36, 37};
    struct ngram g;
    (void)state;
    open_tables(&g, 100);
    ngram_predict(&g, prediction, 8, 4); /* behind four tokens of prompt */
    expect(&g, text, 4, 8, text, 0);
    for (size_t n = 5; n < 8; n++)
        expect(&g, text, n, 3, prediction + n - 4, 3);
    expect(&g, text, 9, 8, text, 0);            /* an edit */
    expect(&g, text, 11, 8, prediction + 5, 2); /* two tokens behind it */
    expect(&g, text, 12, 8, prediction + 6, 2); /* three, and its end is near */
    expect(&g, text, 14, 8, text, 0);           /* behind its end */
    ngram_begin(&g, 2);
    expect(&g, prediction, 4, 8, text, 0); /* another text does not know it */
    free(g.next);
}

/* Where the prompt and the prediction both went on, the prediction is meant. */
static void a_prediction_counts_for_more(void **state)
{
    static const stoker_token text[] = {1, 2, 3, 4, 5, 6, 7, 8, 60, 61, 62, 63, 64, 1, 2, 3, 4, 5},
                              new[] = {0, 1, 2, 3, 4, 5, 90, 91};
    struct ngram g;
    (void)state;
    open_tables(&g, 100);
    ngram_learn(&g, text, 13, 13);
    ngram_predict(&g, new, 8, 8);
    expect(&g, text, 18, 2, new + 6, 2);
    free(g.next);
}

/* 1 2 3 4 5 stands twice in it: whoever goes along has come to the first, though the second is what was learnt last. */
static void its_place_is_kept(void **state)
{
    static const stoker_token prediction[] = {10, 11, 12, 13, 14, 1, 2, 3, 4, 5,  20,
                                              21, 22, 23, 24, 1,  2, 3, 4, 5, 30, 31},
                              edited[] = {0, 10, 11, 12, 13, 99, 1, 2, 3, 4, 5};
    stoker_token text[30] = {0};
    struct ngram g;
    (void)state;
    open_tables(&g, 100);
    memcpy(text + 1, prediction, sizeof prediction);
    ngram_predict(&g, prediction, 22, 1);
    for (size_t n = 2; n < 23; n++) {
        stoker_token out[STOKER_DRAFT_MOST];
        int most = 23 - (int)n < 8 ? 23 - (int)n : 8;
        assert_int_equal(ngram_propose(&g, text, n, 0, 8, out), most);
        assert_memory_equal(out, text + n, (size_t)most * sizeof *out);
        assert_int_equal(g.predicted, 1);
    }
    ngram_begin(&g, 2); /* who comes from elsewhere is taken to the last one */
    ngram_predict(&g, prediction, 22, 1);
    for (size_t n = 1; n < 11; n++) /* it is learnt in pieces */
        ngram_propose(&g, edited, n, 0, 1, &(stoker_token){0});
    expect(&g, edited, 11, 8, prediction + 20, 2);
    free(g.next);
}

/* What is drafted behind guesses is what stood behind them, and they are not learnt. */
static void guesses_are_not_learnt(void **state)
{
    static const stoker_token text[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 40, 41, 42, 1, 2, 3, 4, 5, 6},
                              new[] = {0, 0, 40, 41, 42, 1, 2};
    stoker_token out[STOKER_DRAFT_MOST];
    struct ngram g;
    (void)state;
    open_tables(&g, 100);
    assert_int_equal(ngram_propose(&g, text, 13, 5, 3, out), 3);
    assert_memory_equal(out, text + 6, 3 * sizeof *out);
    assert_true(g.n_known < 13);
    assert_int_equal(g.predicted, 0);
    ngram_begin(&g, 2);
    assert_int_equal(ngram_propose(&g, new, 2, 5, 8, out), 0);
    assert_int_equal(ngram_propose(&g, new, 7, 0, 8, out), 0);
    free(g.next);
}

/* A step learns some tokens of it: its end is not known at once, its beginning is. */
static void a_prediction_is_learnt_in_pieces(void **state)
{
    enum { N = 1000, FROM = 8, SOON = 200 / NGRAM_STEP, LATER = N / NGRAM_STEP - SOON };
    stoker_token prediction[N], text[FROM + 9] = {0}, out[STOKER_DRAFT_MOST];
    struct ngram g;
    (void)state;
    open_tables(&g, 4 * N);
    for (int i = 0; i < N; i++)
        prediction[i] = 100 + i;
    memcpy(text + FROM + 3, prediction + 900, 6 * sizeof *text);
    ngram_predict(&g, prediction, N, FROM);
    for (int i = 0; i < SOON; i++)
        expect(&g, text, FROM + 9, 4, text, 0);
    memcpy(text + FROM + 3, prediction + 100, 6 * sizeof *text);
    expect(&g, text, FROM + 9, 4, prediction + 106, 4);
    memcpy(text + FROM + 3, prediction + 900, 6 * sizeof *text);
    for (int i = 0; i < LATER; i++)
        ngram_propose(&g, text, FROM + 9, 0, 4, out);
    expect(&g, text, FROM + 9, 4, prediction + 906, 4);
    free(g.next);
}

enum { OLDER_STEP = 8 }; /* tokens of a known text that a step learns */

static size_t learnt(const struct ngram *g) { return g->n_known - g->n_oldest + g->n_learnt; }

/* What is proposed behind text [n] with its last 5 tokens those before text [at], once all is known. */
static void expect_as_at(struct ngram *g, stoker_token *text, size_t n, size_t at, const stoker_token *want)
{
    memcpy(text + n - 5, text + at - 5, 5 * sizeof *text);
    g->last.text = NULL;
    g->held = 9; /* where the text varies too */
    expect(g, text, n, 4, want, 4);
}

/* A long text that is known at once, as of a cached prefix: a step learns a bounded number of tokens, the newest first, but for those of a
 * prediction; and what stood last, or is predicted, is what is followed, in whatever order it was learnt. */
static void a_long_text_is_learnt_in_pieces(void **state)
{
    enum { N = 50000, ALL = N + 5 };
    static stoker_token text[ALL], prediction[] = {7, 7, 1010, 1011, 1012, 1013, 1014, 1, 2, 3, 4, 5};
    stoker_token out[4];
    struct ngram g;
    size_t steps = 0;
    (void)state;
    open_tables(&g, 2 * N);
    for (int i = 0; i < N; i++)
        text[i] = 10 + i;
    memcpy(text + 30000, text + 2000, 5 * sizeof *text);  /* stands three times */
    memcpy(text + N - 40, text + 2000, 5 * sizeof *text); /* of which once at the end */
    memcpy(text + 20000, text + 3000, 5 * sizeof *text);  /* stands twice */
    memcpy(text + N, text + N - 100, 5 * sizeof *text);
    ngram_predict(&g, prediction, 12, N - 50);
    for (size_t before = 0; g.n_oldest > 0 || steps == 0; before = learnt(&g), steps++) {
        int n = ngram_propose(&g, text, ALL, 0, 4, out);
        assert_in_range(learnt(&g) - before, steps == 0 ? 1 : !g.searched, steps < 2 ? NGRAM_STEP : OLDER_STEP);
        assert_int_equal(g.n_known, ALL - 1);
        assert_int_equal(g.n_learnt, steps == 0 ? 0 : 11);
        assert_int_equal(n, 4);
    }
    assert_in_range(steps, N / OLDER_STEP, N / OLDER_STEP + 2);
    assert_memory_equal(out, text + N - 95, sizeof out);
    expect_as_at(&g, text, ALL, 105, text + 105);
    expect_as_at(&g, text, ALL, 2005, text + N - 35);
    expect_as_at(&g, text, ALL, 3005, text + 20005);
    expect_as_at(&g, text, ALL, 1005, prediction + 7);
    free(g.next);
}

enum { PIECE = 1 << 11 }; /* what one step searches */

/* The text's last 5 tokens are those before `at`. Returns how many searches it took to follow them there: one in every second step, which
 * learns nothing, where the others learn. */
static int searches_for(struct ngram *g, stoker_token *text, size_t n, size_t at)
{
    memcpy(text + n - 5, text + at - 5, 5 * sizeof *text);
    g->last.text = NULL;
    for (int searches = 0, steps = 0; steps < 100; steps++) {
        stoker_token out[4];
        size_t known = learnt(g);
        int k = ngram_propose(g, text, n, 0, 4, out), learns = learnt(g) != known;
        searches += g->searched;
        assert_true(learns || steps == 0 || g->searched);
        assert_false(learns && g->searched && steps > 0);
        if (k == 4 && memcmp(out, text + at, sizeof out) == 0)
            return searches;
        assert_int_equal(k, 0);
    }
    return 0;
}

/* What of such a text is not learnt yet is searched piece by piece, from its end to its beginning and again, and around the place that was
 * found last. The last of several places of a piece is followed. */
static void what_is_not_learnt_yet_is_searched(void **state)
{
    enum { N = 50000, ALL = N + 5, PIECES = N / PIECE + 1 };
    static stoker_token text[ALL];
    struct ngram g;
    (void)state;
    for (int i = 0; i < N; i++)
        text[i] = 10 + i;
    for (int i = 0; i < PIECES - 1; i++) {
        size_t at = N - PIECE / 2 - (size_t)i * PIECE;
        open_tables(&g, N);
        assert_int_equal(searches_for(&g, text, ALL, at), i + 1);
        assert_int_equal(searches_for(&g, text, ALL, at + 1000), 1);
        assert_in_range(searches_for(&g, text, ALL, at - 1000), 1, 2);
        free(g.next);
    }
    open_tables(&g, N); /* near the beginning, then near the end: behind the last piece comes the first one */
    assert_int_equal(searches_for(&g, text, ALL, 100), PIECES);
    assert_in_range(searches_for(&g, text, ALL, N - 2000), 2, 5);
    free(g.next);
    open_tables(&g, N); /* around a place near the end of the text: sanitizers see that nothing behind it is read */
    assert_int_equal(searches_for(&g, text, ALL, N - 100), 1);
    assert_int_equal(searches_for(&g, text, ALL, N - 200), 1);
    free(g.next);
    open_tables(&g, N);
    memcpy(text + N - 1000, text + N - 3000, 5 * sizeof *text);
    assert_int_equal(searches_for(&g, text, ALL, N - 995), 1);
    free(g.next);
}

/* What came while nobody asked is searched before what stood before it, wherever the searches before that had come to. */
static void what_was_missed_is_searched_first(void **state)
{
    enum { N = 50000, MISSED = 500, ALL = N + MISSED + 5, SEARCHED = 9 };
    static stoker_token text[ALL];
    stoker_token out[4];
    struct ngram g;
    (void)state;
    for (int i = 0; i < ALL; i++)
        text[i] = 10 + i;
    open_tables(&g, ALL);
    for (int i = 0; i < SEARCHED; i++)
        ngram_propose(&g, text, N, 0, 4, out);
    assert_int_equal(searches_for(&g, text, ALL, N + MISSED / 2), 1);
    free(g.next);
}

/* A text that is repeated with changes, long after it stood, is followed again soon behind each of them. */
static void repeated_with_changes(void **state)
{
    enum { N = 50000, FROM = 9000, MORE = 900, EVERY = 100, SAME = 5, FIRST = 40, AGAIN = SAME + 4 };
    static stoker_token text[N + MORE];
    stoker_token out[4];
    struct ngram g;
    int followed = 0;
    (void)state;
    open_tables(&g, N + MORE);
    for (int i = 0; i < N; i++)
        text[i] = 10 + i;
    for (int i = 0; i < MORE; i++)
        text[N + i] = i % EVERY == EVERY - 1 ? 0 : text[FROM + i];
    for (int i = 1; i < MORE - 4; i++) {
        int n = ngram_propose(&g, text, N + (size_t)i, 0, 4, out), same = i % EVERY;
        followed = n == 4 && memcmp(out, text + FROM + i, sizeof out) == 0;
        if (same >= (i < EVERY ? FIRST : AGAIN))
            assert_true(followed);
    }
    free(g.next);
}

/* While a prompt is computed more is learnt of what stands before it. */
static void a_prompt_is_learnt_in_its_steps(void **state)
{
    enum { N = 3000, MOST = 800 };
    static stoker_token text[N];
    struct ngram g;
    (void)state;
    open_tables(&g, N);
    for (int i = 0; i < N; i++)
        text[i] = 10 + i;
    for (size_t n = N - 200, before = 0; n < N; n += 100, before = learnt(&g)) {
        ngram_learn(&g, text, n, MOST);
        assert_int_equal(learnt(&g) - before, MOST);
        assert_int_equal(g.n_known, n - 1);
    }
    free(g.next);
}

/* A step that accepts all its drafts: the next one knows them. */
static void all_that_a_step_accepts_is_learnt(void **state)
{
    enum { STEP = STOKER_DRAFT_MOST + 1, N = 20 * STEP };
    stoker_token text[N], out[STOKER_DRAFT_MOST];
    struct ngram g;
    (void)state;
    open_tables(&g, N);
    for (int i = 0; i < N; i++)
        text[i] = 10 + i;
    for (size_t n = STEP; n <= N; n += STEP) {
        ngram_propose(&g, text, n, 0, 4, out);
        assert_int_equal(g.n_known, n - 1);
        assert_int_equal(g.n_oldest, 0);
    }
    free(g.next);
}

/* While drafts rest nobody asks: what came last is known at once, the rest in as many steps as it takes, and what was known stays. */
static void what_came_last_is_learnt_first(void **state)
{
    enum { BEFORE = 400, N = 2000, STEPS = N / OLDER_STEP };
    stoker_token text[N + 5], out[4];
    struct ngram g;
    (void)state;
    open_tables(&g, N);
    for (int i = 0; i < N; i++)
        text[i] = 10 + i;
    ngram_learn(&g, text, BEFORE, BEFORE);
    memcpy(text + N, text + N - 9, 5 * sizeof *text);
    expect(&g, text, N + 5, 4, text + N - 4, 4);
    assert_int_equal(g.n_known, N + 4);
    expect_as_at(&g, text, N + 5, 100, text + 100);
    for (size_t i = 0, before = learnt(&g); i < STEPS; i++, before = learnt(&g)) {
        ngram_propose(&g, text, N + 5, 0, 4, out);
        assert_in_range(learnt(&g) - before, 0, NGRAM_STEP);
    }
    assert_int_equal(g.n_oldest, 0);
    expect_as_at(&g, text, N + 5, BEFORE + 700, text + BEFORE + 700);
    free(g.next);
}

static void tables_are_bounded(void **state)
{
    (void)state;
    assert_true(ngram_bytes(100000) <= (size_t)8 << 20);
    assert_int_equal(ngram_bytes(1 << 30), (3 << 20) + (64 << 10)); /* as ngram.h says */
    assert_true(ngram_bytes(1) > 0);
}

static int by_time(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void tell(const char *what, double *took, int n)
{
    qsort(took, (size_t)n, sizeof *took, by_time);
    printf("%s: %.1f us, nine of ten below %.1f\n", what, took[n / 2], took[n * 9 / 10]);
}

enum { STEPS = 200 };

/* Steps behind text [n], and `more` tokens more each; something else fills the caches between two of them. */
static void time_steps(struct ngram *g, const stoker_token *text, size_t n, size_t more, const char *searches,
                       const char *learns)
{
    enum { ELSE = 512 << 20, LINE = 64 };
    static double took[2][STEPS];
    static uint8_t other[ELSE];
    stoker_token out[STOKER_DRAFT_MOST];
    int steps[2] = {0};
    for (int i = 0; i < STEPS; i++) {
        for (size_t at = 0; at < ELSE; at += LINE)
            other[at]++;
        double begin = clock_seconds();
        ngram_propose(g, text, n + (size_t)i * more, 0, STOKER_DRAFT_MOST, out);
        double end = clock_seconds();
        took[g->searched][steps[g->searched]++] = 1e6 * (end - begin);
    }
    if (steps[1] > 0)
        tell(searches, took[1], steps[1]);
    tell(learns, took[0], steps[0]);
}

/* A text in which some tokens are frequent, as in a real one (Zipf's law), and hardly five of them stand twice. The tables are in huge
 * pages, as a session's are. */
static int bench(void)
{
    enum { HISTORY = 100000, MORE = (2 + NGRAM_STEP) * STEPS, VOCABULARY = 100000 };
    static stoker_token text[HISTORY + MORE];
    struct arena memory;
    struct error err = {0};
    struct ngram g;
    if (arena_map(&memory, ngram_bytes(HISTORY + MORE), &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    arena_prefault(&memory, 0, 1);
    for (size_t i = 0; i < HISTORY + MORE; i++)
        text[i] = (stoker_token)pow(VOCABULARY, (double)(rng_u64(i, 1, 1, 1) >> 11) * 0x1p-53);
    ngram_init(&g, arena_alloc(&memory, ngram_bytes(HISTORY + MORE)), HISTORY + MORE);
    time_steps(&g, text, HISTORY, 1, "a step that searches a known prefix", "a step that learns of it");
    ngram_learn(&g, text, HISTORY + STEPS, 2 * HISTORY);
    time_steps(&g, text, HISTORY + STEPS, 1, "", "a step, all learnt");
    time_steps(&g, text, HISTORY + 2 * STEPS, NGRAM_STEP, "", "a step behind one that accepted 15 drafts");
    arena_unmap(&memory);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--bench") == 0)
        return bench();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longest_match_goes_first),
        cmocka_unit_test(short_matches_bring_little),
        cmocka_unit_test(new_text_brings_nothing),
        cmocka_unit_test(a_loop_goes_on),
        cmocka_unit_test(drafts_end_where_a_text_varies),
        cmocka_unit_test(a_value_goes_on_as_it_did_twice),
        cmocka_unit_test(few_places_are_shared),
        cmocka_unit_test(who_follows_goes_past_what_varies),
        cmocka_unit_test(stale_places_are_compared),
        cmocka_unit_test(tables_are_bounded),
        cmocka_unit_test(a_prediction_is_followed),
        cmocka_unit_test(a_prediction_counts_for_more),
        cmocka_unit_test(its_place_is_kept),
        cmocka_unit_test(guesses_are_not_learnt),
        cmocka_unit_test(a_prediction_is_learnt_in_pieces),
        cmocka_unit_test(a_long_text_is_learnt_in_pieces),
        cmocka_unit_test(what_is_not_learnt_yet_is_searched),
        cmocka_unit_test(what_was_missed_is_searched_first),
        cmocka_unit_test(repeated_with_changes),
        cmocka_unit_test(a_prompt_is_learnt_in_its_steps),
        cmocka_unit_test(all_that_a_step_accepts_is_learnt),
        cmocka_unit_test(what_came_last_is_learnt_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
