/* What tests of a tokenizer ask: that a small vocabulary loads, and which ids a text has. Behind cmocka.h. */
#ifndef TEST_IDS_H
#define TEST_IDS_H

#include "text_fixture.h"

static inline struct tokenizer *loaded(struct small_vocab *v)
{
    struct tokenizer *t = NULL;
    struct error err = {0};
    if (small_load(v, &t, &err) != 0)
        fprintf(stderr, "%s\n", err.text);
    assert_non_null(t);
    return t;
}

static inline void is_list(struct token_list *l, const int *want) /* ends with -1 */
{
    size_t n = 0;
    for (; want[n] >= 0; n++)
        assert_true(n < l->n && l->id[n] == want[n]);
    assert_int_equal(l->n, n);
    token_list_free(l);
}

static inline void ids_are(const struct tokenizer *t, const char *text, int add, int parse, const int *want)
{
    struct token_list l = encode(t, text, strlen(text), add, parse);
    is_list(&l, want);
}
#define IDS(...) ((const int[]){__VA_ARGS__, -1})
#define NO_IDS   ((const int[]){-1})

#endif
