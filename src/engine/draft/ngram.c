/* See ngram.h. */
#include "engine/draft/ngram.h"

#include <string.h>

enum { LENGTHS = 3, MOST_PLACES = 1 << 18, BEGINNING = 5, KEPT = 5 };
/* Of what is not learnt yet a step searches so many tokens or learns so many: half as many as of others, because what their places hold is
 * read too. */
enum { PIECE = 1 << 11, OLDER = 8 };
/* Places, at least as many as tokens; four times as many up to SHORT, for of two runs of tokens with one place the older is forgotten. */
enum { PER_TOKEN = 4, SHORT = 1 << 14 };
/* Tokens whose places are asked for together. */
enum { AHEAD = NGRAM_STEP };
/* Places where the text varies, one after another, that went on as before: drafts go past the next. */
enum { ENOUGH = 4 };
/* What is known of a place of the text: behind the same tokens it went on otherwise elsewhere; it went on alike. */
enum { VARIES = 1, SETTLED = 2, MARK_BITS = 2 };
static const uint32_t predicted = UINT32_C(1) << 31;
/* How many tokens must be alike, longest first, and how many are drafted behind so many: short matches are often by chance. */
static const size_t length[LENGTHS] = {5, 3, 2};
static const int drafted[LENGTHS] = {STOKER_DRAFT_MOST, 4, 2};

static uint32_t places(int n_ctx)
{
    uint32_t n = 256;
    while (n < MOST_PLACES && (n < SHORT ? n / PER_TOKEN : n) < (uint32_t)n_ctx)
        n *= 2;
    return n;
}

static size_t mark_bytes(uint32_t n_place) { return n_place / 8 * MARK_BITS; }

size_t ngram_bytes(int n_ctx)
{
    uint32_t n = places(n_ctx);
    return LENGTHS * (size_t)n * sizeof(uint32_t) + mark_bytes(n);
}

void ngram_init(struct ngram *g, void *memory, int n_ctx)
{
    *g = (struct ngram){.next = memory, .n_place = places(n_ctx)};
    g->marks = (uint8_t *)(g->next + LENGTHS * (size_t)g->n_place);
}

void ngram_begin(struct ngram *g, uint64_t text)
{
    g->text = text;
    g->n_oldest = g->n_known = g->search_end = g->followed = 0;
    g->prediction = NULL;
    g->last.text = NULL;
    g->searched = g->held = 0;
    memset(g->marks, 0, mark_bytes(g->n_place));
}

static int is_marked(const struct ngram *g, size_t at, int mark)
{
    size_t bit = MARK_BITS * (at & (g->n_place - 1));
    return g->marks[bit / 8] >> bit % 8 & mark;
}

static void set_mark(struct ngram *g, size_t at, int mark)
{
    size_t bit = MARK_BITS * (at & (g->n_place - 1));
    g->marks[bit / 8] |= (uint8_t)(mark << bit % 8);
}

/* Nothing tells what is at this place: the text varies there, or it did right before it, and that went on alike nowhere. */
static int is_open(const struct ngram *g, size_t at)
{
    return is_marked(g, at, VARIES) || (at > 0 && is_marked(g, at - 1, VARIES) && !is_marked(g, at, SETTLED));
}

/* The places of the tokens that end before the first `end` of a text, one a length; NULL: the text is shorter. */
static void find_places(const struct ngram *g, const stoker_token *text, size_t end, uint32_t *place[LENGTHS])
{
    uint64_t hash = 0;
    size_t k = 0;
    for (int i = LENGTHS - 1; i >= 0; i--) {
        for (; k < length[i] && k < end; k++) {
            hash = (hash ^ (uint32_t)text[end - 1 - k]) * UINT64_C(0x9e3779b97f4a7c15);
            hash ^= hash >> 29;
        }
        place[i] = end < length[i] ? NULL : g->next + (size_t)i * g->n_place + ((hash >> 32) & (g->n_place - 1));
    }
}

/* What a place holds, of a text of n tokens and of its prediction. */
static struct way way_to(const struct ngram *g, uint32_t place, const stoker_token *text, size_t n)
{
    int other = (place & predicted) != 0;
    return (struct way){other ? g->prediction : text, place & ~predicted, other ? g->n_prediction : n};
}

/* Does it go on there after the same tokens as text [n] ends with, so many? */
static int stands(const struct way *w, const stoker_token *text, size_t n, size_t same)
{
    return w->text && w->at >= same && w->at < w->n &&
           memcmp(w->text + w->at - same, text + n - same, same * sizeof *text) == 0;
}

/* What a place held: did the text go on there as behind its first `end` tokens, which end alike? */
static void compare(struct ngram *g, uint32_t place, const stoker_token *text, size_t end)
{
    struct way w = way_to(g, place, text, g->n_known + 1);
    if (w.text == text && w.at != end && stands(&w, text, end, length[0])) {
        int mark = text[w.at] == text[end] ? SETTLED : VARIES;
        set_mark(g, w.at, mark);
        set_mark(g, end, mark);
    }
}

/* The places of what stands before the first `first` tokens of a text, then before one more each, n in all. They are asked for from DRAM
 * together, and so is what those of the n_text longest lengths lead to in the text: one after another, they would take more time than all
 * the rest. */
static void ask_ahead(const struct ngram *g, const stoker_token *text, size_t first, int n, int n_text,
                      uint32_t *place[][LENGTHS])
{
    for (int k = 0; k < n; k++) {
        find_places(g, text, first + (size_t)k, place[k]);
        for (int i = 0; i < LENGTHS; i++)
            __builtin_prefetch(place[k][i], 1);
    }
    for (int k = 0; k < n; k++)
        for (int i = 0; i < n_text; i++) {
            struct way w = place[k][i] ? way_to(g, *place[k][i], text, g->n_known + 1) : (struct way){NULL, 0, 0};
            if (w.text && w.at < w.n)
                __builtin_prefetch(w.text + w.at);
        }
}

/* What follows the first `end` tokens of a text, whose places these are; of the prediction with its bit. */
static void learn(struct ngram *g, const stoker_token *text, size_t end, uint32_t *const place[LENGTHS], uint32_t bit)
{
    if (place[0] && !bit)
        compare(g, *place[0], text, end);
    for (int i = 0; i < LENGTHS; i++)
        if (place[i])
            *place[i] = (uint32_t)end | bit;
}

/* Does a place hold what counts for more than the text's first `end` tokens: the prediction's, or newer, and not that of another text? */
static int is_taken(const struct ngram *g, int i, const uint32_t *place, const stoker_token *text, size_t end)
{
    struct way w = way_to(g, *place, text, g->n_known + 1);
    uint32_t *its[LENGTHS];
    if ((w.text == text && w.at <= end) || !w.text || w.at < length[i] || w.at >= w.n)
        return 0;
    find_places(g, w.text, w.at, its);
    return its[i] == place;
}

static void learn_if_free(struct ngram *g, const stoker_token *text, size_t end, uint32_t *const place[LENGTHS])
{
    if (place[0])
        compare(g, *place[0], text, end);
    for (int i = 0; i < LENGTHS; i++)
        if (place[i] && !is_taken(g, i, place[i], text, end))
            *place[i] = (uint32_t)end;
}

static int smaller(int most, size_t n) { return n < (size_t)most ? (int)n : most; }

/* What stood before all that is known. Returns how many tokens of `most` are left. */
static int learn_older(struct ngram *g, const stoker_token *text, int most)
{
    uint32_t *place[AHEAD][LENGTHS];
    while (most > 0 && g->n_oldest > 0) {
        int n = smaller(smaller(AHEAD, (size_t)most), g->n_oldest);
        ask_ahead(g, text, g->n_oldest - (size_t)n + 1, n, LENGTHS, place);
        for (most -= n; n > 0; g->n_oldest--)
            learn_if_free(g, text, g->n_oldest, place[--n]);
    }
    return most;
}

/* What has come since; where that is more, its end: what is before it becomes older text, and is learnt again, newest first. */
static int learn_newer(struct ngram *g, const stoker_token *text, size_t n, int most)
{
    uint32_t *place[AHEAD][LENGTHS];
    if (n > g->n_known + (size_t)most + 1) {
        g->n_oldest = g->n_known = n - 1 - (size_t)most;
        g->search_end = 0; /* what was missed stands right before the tables */
    }
    while (most > 0 && g->n_known + 1 < n) {
        int some = smaller(smaller(AHEAD, (size_t)most), n - 1 - g->n_known);
        ask_ahead(g, text, g->n_known + 1, some, 1, place);
        for (int k = 0; k < some; k++)
            learn(g, text, ++g->n_known, place[k], 0);
        most -= some;
    }
    return most;
}

void ngram_learn(struct ngram *g, const stoker_token *text, size_t n, int most)
{
    learn_older(g, text, learn_newer(g, text, n, most));
}

void ngram_predict(struct ngram *g, const stoker_token *prediction, size_t n, size_t from)
{
    g->prediction = prediction;
    g->n_prediction = n;
    g->from = from;
    g->n_learnt = 0;
}

/* Returns how many tokens of `most` are left. */
static int learn_prediction(struct ngram *g, int most)
{
    uint32_t *place[LENGTHS];
    for (; g->prediction && most > 0 && g->n_learnt + 1 < g->n_prediction; most--) {
        find_places(g, g->prediction, ++g->n_learnt, place);
        learn(g, g->prediction, g->n_learnt, place, predicted);
    }
    return most;
}

/* Where one went on after the text's last tokens, so many, whose place this is. 0: they are new. */
static int follows(const struct ngram *g, const uint32_t *place, const stoker_token *text, size_t n, size_t same,
                   struct way *out)
{
    if (n <= same)
        return 0;
    *out = way_to(g, *place, text, n);
    return stands(out, text, n, same);
}

/* Do the 5 tokens before `end` stand before any of the AT_ONCE places behind t? Without a way out of the loop, so that compilers make
 * vectors of it. */
enum { AT_ONCE = 64 };
static int stand_among(const stoker_token *t, const stoker_token *end)
{
    int found = 0;
    for (int i = 0; i < AT_ONCE; i++)
        found |= (t[i] == end[-1]) & (t[i - 1] == end[-2]) & (t[i - 2] == end[-3]) & (t[i - 3] == end[-4]) &
                 (t[i - 4] == end[-5]);
    return found;
}

/* The last place behind the text's first `first` tokens, up to `end` of them, where its last 5 tokens stood too. */
static int search(const stoker_token *text, size_t n, size_t first, size_t end, struct way *out)
{
    *out = (struct way){text, end, n};
    while (out->at > first && n > length[0]) {
        size_t rest = out->at - first < AT_ONCE ? out->at - first : AT_ONCE;
        if (out->at >= AT_ONCE + length[0] && !stand_among(text + out->at - AT_ONCE, text + n)) {
            out->at -= rest;
            continue;
        }
        for (; rest > 0; rest--, out->at--)
            if (stands(out, text, n, length[0]))
                return 1;
    }
    return 0;
}

/* Of a text that was known all at once the tables have the newest part first. What stands before that part is searched, in every second
 * step, for the others learn: piece by piece from its end back to its beginning and again; and by turns, where the text was followed there,
 * around that place, near which one that is repeated with changes goes on. */
static int stood_before(struct ngram *g, const stoker_token *text, size_t n, struct way *out)
{
    const int around = g->followed > 0 && g->followed < g->n_oldest && !g->around;
    size_t end = around ? g->followed + PIECE / 2 : g->search_end;
    if (end == 0 || end > g->n_oldest)
        end = g->n_oldest;
    const size_t first = end > PIECE ? end - PIECE : 0;
    g->searched = 1;
    g->around = around;
    if (search(text, n, first, end, out))
        return 1;
    if (!around)
        g->search_end = first;
    return 0;
}

/* The rest of the text has begun as the prediction does, and is too short to be looked up. */
static int begins(const struct ngram *g, const stoker_token *text, size_t n, struct way *out)
{
    if (!g->prediction || n <= g->from || n - g->from >= BEGINNING || n - g->from >= g->n_prediction)
        return 0;
    *out = (struct way){g->prediction, n - g->from, g->n_prediction};
    return memcmp(g->prediction, text + g->from, out->at * sizeof *text) == 0;
}

/* The last drafts' text, where this one has come to in it: it may stand elsewhere too, as a text with repetitions does. */
static int goes_on(const struct ngram *g, const stoker_token *text, size_t n, struct way *out)
{
    if (!g->last.text || n < KEPT)
        return 0;
    *out = (struct way){g->last.text, g->last.at + (n - g->last_n), g->last.text == text ? n : g->last.n};
    return stands(out, text, n, KEPT);
}

/* Since the last drafts: where the text they are from varies, did this one go on as that did? Not where they stood behind guesses that did
 * not hold. */
static void learn_varying(struct ngram *g, const stoker_token *text, size_t n)
{
    if (g->last.text != text || n <= g->last_n || !stands(&g->last, text, g->last_n, length[LENGTHS - 1]))
        return;
    for (size_t at = g->last.at, k = g->last_n; k < n && at < g->last_n; at++, k++) {
        if (is_marked(g, at, VARIES))
            g->held = text[at] == text[k] ? g->held + 1 : 0;
        if (text[at] != text[k])
            return;
    }
}

static int copy(const struct ngram *g, const struct way *w, const stoker_token *text, size_t n, int most,
                stoker_token *out)
{
    int k = 0, stops = w->text == text && g->held < ENOUGH;
    for (size_t at = w->at; k < most && (at < w->n || w->text == text); k++, at++) {
        if (stops && at < w->n && is_open(g, at))
            break;
        out[k] = at < w->n ? w->text[at] : out[at - n]; /* a text that repeats itself goes on doing so */
    }
    return k;
}

/* How many tokens the text is followed for. 0: nothing is known that is like its end. */
static int find(struct ngram *g, const stoker_token *text, size_t n, struct way *out)
{
    const int searches = !g->searched && g->n_oldest > 0;
    uint32_t *place[LENGTHS];
    g->searched = 0;
    g->found = 0;
    if (begins(g, text, n, out))
        return STOKER_DRAFT_MOST;
    g->found = KEPT;
    if (goes_on(g, text, n, out))
        return STOKER_DRAFT_MOST;
    ask_ahead(g, text, n, 1, LENGTHS, &place);
    for (int i = 0; i < LENGTHS; i++)
        if (follows(g, place[i], text, n, length[i], out) || (i == 0 && searches && stood_before(g, text, n, out))) {
            g->found = (int)length[i];
            return drafted[i];
        }
    out->text = NULL;
    return 0;
}

/* How much a step learns of n tokens: all that the last step may have accepted. */
static int step_of(const struct ngram *g, size_t n)
{
    size_t came = n > g->n_known + 1 ? n - 1 - g->n_known : 0;
    return came > NGRAM_STEP && came <= STOKER_DRAFT_MOST + 1 ? (int)came : NGRAM_STEP;
}

int ngram_propose(struct ngram *g, const stoker_token *text, size_t n, int n_guess, int most, stoker_token *out)
{
    struct way w;
    int left = learn_newer(g, text, n, step_of(g, n));
    if (left > 0) /* all that is new is known */
        left = learn_prediction(g, left);
    learn_varying(g, text, n);
    n += (size_t)n_guess;
    int found = find(g, text, n, &w);
    g->last = w;
    g->last_n = n;
    g->predicted = found && w.text == g->prediction;
    if (g->found == KEPT && w.text == text && w.at < g->n_oldest)
        g->followed = w.at;
    if (!g->searched)
        learn_older(g, text, left < OLDER ? left : OLDER);
    return found ? copy(g, &w, text, n, most < found ? most : found, out) : 0;
}
