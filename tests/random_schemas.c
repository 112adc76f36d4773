/* links: text format base
 *
 * A corpus of random schemas, one a line: random_schemas N SEED. Line i depends on i and SEED alone. Ordinary ones, a third of them, stand
 * among every kind that costs more than it looks like, and broken ones.
 *
 * Without arguments it checks itself: the same seed writes the same lines, every kind occurs and is what its name says, JSON or not; and
 * the ordinary ones compile. */
#include "base/error.h"
#include "base/rng.h"
#include "schema_writer.h"
#include "text/grammar/grammar.h"
#include "text/schema/schema.h"

#include <jansson.h>
#include <stdlib.h>

enum { CHOICES = 4096, CHECKED = 2000, SELF_SEED = 1 };

/* Line i of a corpus. */
static enum schema_kind write_schema(struct schema_writer *w, uint64_t seed, uint64_t i)
{
    static uint64_t random[CHOICES / 8];
    for (size_t k = 0; k < CHOICES / 8; k++)
        random[k] = rng_u64(seed, i, k, 0);
    w->data = (const uint8_t *)random;
    w->n = CHOICES;
    w->at = w->length = 0;
    w->depth = 0;
    enum schema_kind kind = schema_choice(w, 3) ? (enum schema_kind)schema_choice(w, SCHEMA_KINDS) : SCHEMA_ORDINARY;
    schema_write(w, kind);
    return kind;
}

static int compiles(const char *text, size_t n)
{
    struct error err = {0};
    struct grammar_maker *m = grammar_begin(NULL);
    struct schema *s;
    struct schema_options how = {.strict = 0};
    int good = m && schema_open(&s, m, text, n, &how, &err) == 0;
    if (good) {
        schema_value(s, "");
        good = grammar_problem(m) == NULL;
        schema_close(s);
    }
    grammar_abandon(m);
    return good;
}

static int check(void)
{
    static struct schema_writer first, again;
    int passed = 0, failed = 0, seen[SCHEMA_KINDS] = {0}, json[SCHEMA_KINDS] = {0};
    size_t longest = 0;
    for (uint64_t i = 0; i < CHECKED; i++) {
        enum schema_kind kind = write_schema(&first, SELF_SEED, i);
        write_schema(&again, SELF_SEED, i);
        json_t *v = json_loadb(first.text, first.length, JSON_DECODE_ANY, NULL);
        int same = first.length == again.length && memcmp(first.text, again.text, first.length) == 0;
        int good = same && !memchr(first.text, '\n', first.length) && (v || kind == SCHEMA_BROKEN) &&
                   (kind != SCHEMA_ORDINARY || compiles(first.text, first.length));
        seen[kind]++;
        json[kind] += v != NULL;
        longest = first.length > longest ? first.length : longest;
        passed += good;
        failed += !good;
        if (!good)
            printf("FAIL line %llu, kind %d: %.*s\n", (unsigned long long)i, kind,
                   (int)(first.length < 200 ? first.length : 200), first.text);
        json_decref(v);
    }
    for (int kind = 0; kind < SCHEMA_KINDS; kind++) {
        int good = seen[kind] >= CHECKED / 40;
        passed += good;
        failed += !good;
        if (!good)
            printf("FAIL kind %d occurs %d times\n", kind, seen[kind]);
    }
    int broken = seen[SCHEMA_BROKEN] - json[SCHEMA_BROKEN],
        mixed = broken > 0 && json[SCHEMA_BROKEN] > 0 && longest > 32768;
    printf("%d of %d broken ones are no JSON; the longest line has %zu bytes\n", broken, seen[SCHEMA_BROKEN], longest);
    printf("%d passed, %d failed, 0 skipped\n", passed + mixed, failed + !mixed);
    return failed || !mixed;
}

int main(int argc, char **argv)
{
    static struct schema_writer w;
    if (argc == 1)
        return check();
    if (argc != 3) {
        fprintf(stderr, "random_schemas N SEED\n");
        return 2;
    }
    uint64_t n = strtoull(argv[1], NULL, 10), seed = strtoull(argv[2], NULL, 10);
    for (uint64_t i = 0; i < n; i++) {
        write_schema(&w, seed, i);
        fwrite(w.text, 1, w.length, stdout);
        putchar('\n');
    }
    return 0;
}
