/* See mcq.h: items, prompts, and which choice a figure takes. */
#include "eval/mcq.h"

#include "base/error.h"
#include "base/json/load.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const eval_mcq_figure_name[EVAL_MCQ_FIGURES] = {"acc", "acc_norm", "acc_token"};

int eval_mcq_n_figure(enum eval_mcq_mode mode) { return mode == EVAL_MCQ_TEXT ? EVAL_MCQ_FIGURES : 1; }

/* ---- items ---------------------------------------------------------------------------------------------------------------- */

int eval_mcq_answer(const json_t *item) { return (int)json_integer_value(json_object_get(item, "answer")); }

int eval_mcq_n_choice(const json_t *item) { return (int)json_array_size(json_object_get(item, "choices")); }

const char *eval_mcq_subject(const json_t *item)
{
    const char *subject = json_string_value(json_object_get(item, "subject"));
    return subject ? subject : "";
}

static const char *choice_of(const json_t *item, int k)
{
    return json_string_value(json_array_get(json_object_get(item, "choices"), (size_t)k));
}

int eval_mcq_check(void *unused, const json_t *item, struct error *err)
{
    (void)unused;
    const json_t *choices = json_object_get(item, "choices"), *answer = json_object_get(item, "answer"),
                 *subject = json_object_get(item, "subject"), *choice;
    const char *key = json_object_get(item, "context") ? "context" : "question";
    size_t n = json_array_size(choices), i;
    if (!eval_item_text(item, key, err))
        return -1;
    if (!json_is_array(choices))
        return error_set(err, ERR_INPUT, "\"choices\" is no list");
    if (n < 2 || n > EVAL_MCQ_CHOICES)
        return error_set(err, ERR_INPUT, "has %zu choices; 2 to %d are possible", n, EVAL_MCQ_CHOICES);
    json_array_foreach(choices, i, choice)
    {
        const char *text = json_string_value(choice);
        if (!text || !*text || strlen(text) != json_string_length(choice))
            return error_set(err, ERR_INPUT, "choice %zu is no text", i);
    }
    if (!json_is_integer(answer) || json_integer_value(answer) < 0 || json_integer_value(answer) >= (json_int_t)n)
        return error_set(err, ERR_INPUT, "\"answer\" is no number from 0 to %zu", n - 1);
    if (subject && !json_is_string(subject))
        return error_set(err, ERR_INPUT, "\"subject\" is no text");
    if (subject && strlen(eval_mcq_subject(item)) != json_string_length(subject))
        return error_set(err, ERR_INPUT, "\"subject\" has a character U+0000");
    return 0;
}

/* ---- prompts -------------------------------------------------------------------------------------------------------------- */

static const char *question_of(const json_t *item)
{
    const json_t *context = json_object_get(item, "context");
    return json_string_value(context ? context : json_object_get(item, "question"));
}

/* Ids do not tell: those of another file may be the same. */
static int is_same(const json_t *a, const json_t *b)
{
    return a == b || (strcmp(question_of(a), question_of(b)) == 0 &&
                      json_equal(json_object_get(a, "choices"), json_object_get(b, "choices")));
}

/* The next shot for item i behind shot `at` (-1: the first): of its subject where there are enough of them, and never the item itself. */
static const json_t *next_shot(const struct eval_mcq *m, const json_t *item, int of_subject, size_t *at)
{
    for (; *at < m->shots.n; (*at)++) {
        const json_t *shot = m->shots.item[*at];
        if (!is_same(shot, item) && (!of_subject || strcmp(eval_mcq_subject(shot), eval_mcq_subject(item)) == 0))
            return m->shots.item[(*at)++];
    }
    return NULL;
}

/* The item's shots [most n_shot]; returns how many there are. */
static int pick_shots(const struct eval_mcq *m, const json_t *item, const json_t **out)
{
    int n = 0;
    for (int of_subject = 1; of_subject >= 0 && n < m->n_shot; of_subject--) {
        size_t at = 0;
        for (n = 0; n < m->n_shot && (out[n] = next_shot(m, item, of_subject, &at)); n++)
            ;
    }
    return n;
}

static void write_question(FILE *f, const struct eval_mcq *m, const json_t *item)
{
    fputs(question_of(item), f);
    if (m->mode == EVAL_MCQ_LETTER)
        for (int k = 0; k < eval_mcq_n_choice(item); k++)
            fprintf(f, "\n%c. %s", 'A' + k, choice_of(item, k));
    if (m->mode == EVAL_MCQ_LETTER || !json_object_get(item, "context"))
        fputs("\nAnswer:", f);
}

void eval_mcq_choice(FILE *f, const struct eval_mcq *m, const json_t *item, int k)
{
    if (m->mode == EVAL_MCQ_LETTER)
        fprintf(f, " %c", 'A' + k);
    else
        fprintf(f, " %s", choice_of(item, k));
}

static int write_texts(FILE *f, const struct eval_mcq *m, const json_t *item, const json_t *const *shot, int n_shot)
{
    for (int i = 0; i < n_shot; i++) {
        write_question(f, m, shot[i]);
        eval_mcq_choice(f, m, shot[i], eval_mcq_answer(shot[i]));
        fputs("\n\n", f);
    }
    write_question(f, m, item);
    return 0;
}

static int add_turn(json_t *request, size_t at, const char *role, const char *text)
{
    return json_array_insert_new(json_object_get(request, "messages"), at,
                                 json_pack("{s:s, s:s}", "role", role, "content", text));
}

static int write_chat(FILE *f, const json_t *item, const json_t *const *shot, int n_shot)
{
    json_t *request = eval_words_question(question_of(item), 0);
    int failed = !request;
    for (int i = 0; i < n_shot && !failed; i++)
        failed = add_turn(request, 2 * (size_t)i, "user", question_of(shot[i])) ||
                 add_turn(request, 2 * (size_t)i + 1, "assistant", choice_of(shot[i], eval_mcq_answer(shot[i])));
    char *text = failed ? NULL : json_dump_spelled(request, JSON_PRESERVE_ORDER);
    if (text)
        fputs(text, f);
    free(text);
    json_decref(request);
    return text ? 0 : -1;
}

char *eval_mcq_prompt(const struct eval_mcq *m, size_t i, struct error *err)
{
    const json_t *item = m->items.item[i], *shot[EVAL_MCQ_SHOTS];
    char *text = NULL;
    size_t n;
    int n_shot = pick_shots(m, item, shot);
    if (n_shot < m->n_shot) {
        error_set(err, ERR_INPUT,
                  "there are %d other items for its %d shots: ask for fewer --shots, or give more of them", n_shot,
                  m->n_shot);
        return NULL;
    }
    FILE *f = open_memstream(&text, &n);
    int failed = !f || (m->mode == EVAL_MCQ_REPLY ? write_chat(f, item, shot, n_shot)
                                                  : write_texts(f, m, item, shot, n_shot));
    if (f && fclose(f))
        failed = 1;
    if (!failed)
        return text;
    free(text);
    error_set(err, ERR_MEMORY, "no memory for its prompt");
    return NULL;
}

/* ---- figures -------------------------------------------------------------------------------------------------------------- */

/* Of equals the first. */
static int best_of(const double *x, int n)
{
    int best = 0;
    for (int k = 1; k < n; k++)
        best = x[k] > x[best] ? k : best;
    return best;
}

int eval_mcq_judge(struct eval_mcq_result *r, const json_t *item, enum eval_mcq_mode mode, struct error *err)
{
    int n = eval_mcq_n_choice(item), answer = eval_mcq_answer(item), other = answer == 0;
    double by_length[EVAL_MCQ_CHOICES];
    if (mode == EVAL_MCQ_REPLY)
        return eval_mcq_named(item, r->reply, &r->best[EVAL_MCQ_ACC], err);
    for (int k = 0; k < n; k++) {
        const char *choice = choice_of(item, k);
        by_length[k] = r->sum[k] / (double)utf8_count(choice, strlen(choice));
        if (k != answer && r->sum[k] > r->sum[other])
            other = k;
    }
    r->best[EVAL_MCQ_ACC] = best_of(r->sum, n);
    r->best[EVAL_MCQ_ACC_NORM] = best_of(by_length, n);
    r->best[EVAL_MCQ_ACC_TOKEN] = best_of(r->mean, n);
    r->margin = r->sum[answer] - r->sum[other];
    return 0;
}

/* ---- a choice in a reply -------------------------------------------------------------------------------------------------- */

struct range {
    uint32_t from, to;
};

static int is_in(const struct range *r, size_t n, uint32_t c)
{
    for (size_t i = 0; i < n; i++)
        if (c >= r[i].from && c <= r[i].to)
            return 1;
    return 0;
}

/* Small letters of Latin, Greek, Cyrillic and Armenian that have as many bytes as the capital ones: UnicodeData.txt. */
static uint32_t small(uint32_t c)
{
    static const struct {
        struct range capitals;
        uint32_t every, add; /* every second is a capital letter, or all are */
    } letters[] = {{{'A', 'Z'}, 1, 32},     {{0xC0, 0xD6}, 1, 32},   {{0xD8, 0xDE}, 1, 32},   {{0x100, 0x12E}, 2, 1},
                   {{0x132, 0x136}, 2, 1},  {{0x139, 0x147}, 2, 1},  {{0x14A, 0x176}, 2, 1},  {{0x179, 0x17D}, 2, 1},
                   {{0x386, 0x386}, 1, 38}, {{0x388, 0x38A}, 1, 37}, {{0x38C, 0x38C}, 1, 64}, {{0x38E, 0x38F}, 1, 63},
                   {{0x391, 0x3AB}, 1, 32}, {{0x400, 0x40F}, 1, 80}, {{0x410, 0x42F}, 1, 32}, {{0x460, 0x480}, 2, 1},
                   {{0x48A, 0x4BE}, 2, 1},  {{0x4D0, 0x52E}, 2, 1},  {{0x531, 0x556}, 1, 48}, {{0x1E00, 0x1E94}, 2, 1},
                   {{0x1EA0, 0x1EFE}, 2, 1}};
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (is_in(&letters[i].capitals, 1, c) && (c - letters[i].capitals.from) % letters[i].every == 0)
            return c + letters[i].add;
    return c;
}

/* A copy with small letters; free() it. NULL: no memory. */
static char *fold(const char *text)
{
    char *out = strdup(text);
    size_t n = strlen(text), length;
    for (size_t at = 0; out && at < n; at += length) {
        uint32_t c;
        if (utf8_read(text + at, n - at, &length, &c) == UTF8_WHOLE)
            utf8_write(small(c), out + at);
    }
    return out;
}

/* Letters and digits of scripts that put spaces between words: the others have no whole words. Left out below U+2000 are punctuation, Thai
 * and Lao, Tibetan, Burmese, Khmer, Tai. */
static int is_word(uint32_t c)
{
    static const struct range word[] = {{'0', '9'}, {'a', 'z'}, {'A', 'Z'}, {'_', '_'}, {0xC0, 0x1FFF}},
                              none[] = {{0xD7, 0xD7},     {0xF7, 0xF7},     {0x37E, 0x37E},   {0x387, 0x387},
                                        {0x55A, 0x55F},   {0x589, 0x58A},   {0x5BE, 0x5BE},   {0x5C0, 0x5C0},
                                        {0x5C3, 0x5C3},   {0x5F3, 0x5F4},   {0x600, 0x60F},   {0x61B, 0x61F},
                                        {0x66A, 0x66D},   {0x6D4, 0x6D4},   {0x700, 0x70D},   {0x964, 0x965},
                                        {0x970, 0x970},   {0xDF4, 0xDF4},   {0xE00, 0x109F},  {0x10FB, 0x10FB},
                                        {0x1360, 0x1368}, {0x166D, 0x166E}, {0x16EB, 0x16ED}, {0x1780, 0x180E},
                                        {0x1950, 0x19FF}, {0x1A20, 0x1AAF}};
    return is_in(word, sizeof word / sizeof *word, c) && !is_in(none, sizeof none / sizeof *none, c);
}

/* Of the character at text[at], or of the one that ends there (before 1). */
static int is_word_at(const char *text, size_t n, size_t at, int before)
{
    size_t length;
    uint32_t c;
    if (before ? at == 0 : at >= n)
        return 0;
    while (before && at-- > 1 && !utf8_begins(text[at]))
        ;
    utf8_read(text + at, n - at, &length, &c);
    return is_word(c);
}

/* Where the last whole word of text [n] ends; 0: there is none. */
static size_t last_end(const char *text, size_t n, const char *word, size_t n_word)
{
    int first = is_word_at(word, n_word, 0, 0), last = is_word_at(word, n_word, n_word, 1);
    for (size_t end = n; n_word && end >= n_word; end--) {
        size_t at = end - n_word;
        if (memcmp(text + at, word, n_word) == 0 && !(first && is_word_at(text, n, at, 1)) &&
            !(last && is_word_at(text, n, end, 0)))
            return end;
    }
    return 0;
}

int eval_mcq_named(const json_t *item, const char *reply, int *choice, struct error *err)
{
    char *text = fold(reply);
    size_t end = 0, longest = 0;
    int failed = !text;
    *choice = -1;
    for (int k = 0; !failed && k < eval_mcq_n_choice(item); k++) {
        char *word = fold(choice_of(item, k));
        size_t n = word ? strlen(word) : 0, at = word ? last_end(text, strlen(text), word, n) : 0;
        failed = !word;
        if (at > end || (at && at == end && n > longest)) {
            *choice = k;
            end = at;
            longest = n;
        }
        free(word);
    }
    free(text);
    return failed ? error_set(err, ERR_MEMORY, "no memory for a reply") : 0;
}
