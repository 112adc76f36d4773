/* Limits of constraints: schemas and grammars that are deep, wide or ambiguous. A record has a schema or a grammar, or the recipe of
 * one in words; here the recipe is found by its name. Each compiles within its limit of time or is refused; then a text is fed, and the
 * masks along it stay below theirs. Times are CPU time of this process; under sanitizers they are not checked. */
#ifndef CONSTRAINT_HOSTILE_H
#define CONSTRAINT_HOSTILE_H

#include "constraint_world.h"
#include "sanitized.h"

#include <time.h>

static inline double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

struct text {
    char *p;
    size_t n, room;
};

static inline void put(struct text *t, const char *s)
{
    size_t n = strlen(s);
    if (t->n + n + 1 > t->room) {
        t->room = (t->n + n) * 2 + 256;
        t->p = realloc(t->p, t->room);
    }
    memcpy(t->p + t->n, s, n + 1);
    t->n += n;
}

static inline void put_enum(struct text *t)
{
    char item[40];
    put(t, "{\"enum\":[");
    for (int i = 0; i < 10000; i++) {
        snprintf(item, sizeof item, "%s\"item_%05d\"", i ? "," : "", i);
        put(t, item);
    }
    put(t, "]}");
}

static inline void put_optional(struct text *t)
{
    char item[60];
    put(t, "{\"type\":\"object\",\"properties\":{");
    for (int i = 0; i < 100; i++) {
        snprintf(item, sizeof item, "%s\"p%03d\":{\"type\":\"integer\"}", i ? "," : "", i);
        put(t, item);
    }
    put(t, "},\"additionalProperties\":false}");
}

static inline void put_nested(struct text *t, int depth)
{
    for (int i = 0; i < depth; i++)
        put(t, "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"a\"],\"properties\":{\"a\":");
    put(t, "{\"type\":\"integer\"}");
    for (int i = 0; i < depth; i++)
        put(t, "}}");
}

static inline void put_ambiguous(struct text *t)
{
    char item[100];
    put(t, "{\"anyOf\":[");
    for (int i = 0; i < 200; i++) {
        put(t, i ? ",{\"type\":\"object\",\"properties\":{" : "{\"type\":\"object\",\"properties\":{");
        for (int k = 0; k < 9; k++) {
            snprintf(item, sizeof item, "\"k%d\":{\"type\":\"string\"},", k);
            put(t, item);
        }
        snprintf(item, sizeof item, "\"k9\":{\"const\":\"v%d\"}},\"required\":[\"k0\",\"k1\",\"k2\",\"k3\",\"k4\",", i);
        put(t, item);
        put(t, "\"k5\",\"k6\",\"k7\",\"k8\",\"k9\"],\"additionalProperties\":false}");
    }
    put(t, "]}");
}

static inline void put_all_of(struct text *t)
{
    char item[100];
    put(t, "{\"allOf\":[");
    for (int i = 0; i < 100; i++) {
        snprintf(item, sizeof item, "%s{\"type\":\"object\",\"properties\":{\"p%d\":{\"type\":\"integer\"}}}",
                 i ? "," : "", i);
        put(t, item);
    }
    put(t, "]}");
}

static inline void put_fan_out(struct text *t)
{
    char item[160];
    put(t, "{\"$ref\":\"#/$defs/d0\",\"$defs\":{");
    for (int i = 0; i < 19; i++) {
        snprintf(item, sizeof item,
                 "\"d%d\":{\"type\":\"object\",\"properties\":{\"l\":{\"$ref\":\"#/$defs/d%d\"},\"r\":{\"$ref\":\"#/"
                 "$defs/d%d\"}}},",
                 i, i + 1, i + 1);
        put(t, item);
    }
    put(t, "\"d19\":{\"type\":\"string\"}}}");
}

/* What is expected of a case, by its name. */
static const struct hostile {
    const char *name;
    void (*build)(struct text *t);
    int depth;              /* of nesting, instead of build */
    double compile_seconds; /* 0: the usual second */
    int refused;            /* 1: it must be refused */
    const char *head, *repeated;
    int times;
} hostiles[] = {
    {"enum of 10000 strings", put_enum, 0, 1, 0, "\"item_0", "", 0},
    {"100 optional properties", put_optional, 0, 0.05, 0, "{\"p0", "", 0},
    {"maxLength 100000", NULL, 0, 0.05, 0, "\"", "ab ", 1000},
    {"maxItems 100000 of objects", NULL, 0, 0.05, 0, "[{\"a\": \"\"}", ", {\"a\": \"\"}", 300},
    {"nesting 200", NULL, 200, 0.05, 0, "", "{\"a\": ", 200},
    {"nesting 5000", NULL, 5000, 1, 1, "", "", 0},
    {"pattern with large counters", NULL, 0, 1, 0, "\"", "abc-", 40},
    {"pattern exponential", NULL, 0, 0.05, 0, "\"", "a", 2000},
    {"unanchored pattern", NULL, 0, 1, 0, "\"", "abcxcd", 200},
    {"ambiguous anyOf", put_ambiguous, 0, 0.2, 0, "{\"k0\": \"x\", \"k1\": \"", "y", 20},
    {"allOf chain", put_all_of, 0, 0.05, 0, "{\"p5\": 1", "", 0},
    {"ref fan-out", put_fan_out, 0, 0.05, 0, "", "{\"l\": ", 15},
    {"gbnf ambiguous", NULL, 0, 1, 0, "", "a", 5000},
    {"gbnf deep stack", NULL, 0, 1, 0, "", "(", 100000},
    {"gbnf nested counters", NULL, 0, 0.05, 0, "", "a", 3000},
};

/* Feeds a text, a mask at each of some tokens. *worst: seconds of the slowest mask but the first. NULL, or what is wrong. */
static inline const char *feed_hostile(struct vocabulary *v, struct constraint *c, const struct hostile *h,
                                       double *worst, double *first)
{
    struct text t = {0};
    struct constraint_state *s;
    struct error err = {0};
    uint64_t random = 1;
    const char *wrong = NULL;
    int masks = 0;
    put(&t, h ? h->head : "");
    for (int i = 0; h && i < h->times; i++)
        put(&t, h->repeated);
    if (constraint_begin(&s, c, &err))
        return free(t.p), "no state";
    *worst = *first = 0;
    for (size_t at = 0, tokens = 0; !wrong; tokens++) {
        if (tokens < 10 || tokens % 500 == 0 || at + 8 > t.n) {
            double begin = cpu_seconds();
            if (constraint_mask(s, 1 << 20, v->allowed, &err) <= 0 && !constraint_finished(s))
                wrong = "no mask";
            double took = cpu_seconds() - begin;
            if (masks++ == 0)
                *first = took;
            else if (took > *worst)
                *worst = took;
        }
        if (at == t.n)
            break;
        int32_t token = next_token(v, t.p + at, t.n - at, CUT_BYTES, &random);
        if (constraint_accept(s, token, &err))
            wrong = "the text is not accepted";
        at += token_length(v, token);
    }
    constraint_end(s);
    free(t.p);
    return wrong;
}

/* NULL, or what is wrong. */
static inline const char *check_hostile(struct vocabulary *v, json_t *r)
{
    static char why[700];
    const char *name = json_string_value(json_object_get(r, "name"));
    json_t *grammar = json_object_get(r, "grammar"), *schema = json_object_get(r, "schema");
    const struct hostile *h = NULL;
    struct text t = {0};
    struct error err = {0};
    struct constraint_options how = {0};
    for (size_t i = 0; i < sizeof hostiles / sizeof *hostiles; i++)
        if (!strcmp(hostiles[i].name, name))
            h = &hostiles[i];
    char *dumped = schema ? json_dumps(schema, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    if (h && h->build)
        h->build(&t);
    else if (h && h->depth)
        put_nested(&t, h->depth);
    else
        put(&t, grammar ? json_string_value(grammar) : dumped ? dumped : "");
    free(dumped);
    if (t.n == 0)
        return free(t.p), "skip";
    double begin = cpu_seconds(), limit = h && h->compile_seconds > 0 ? h->compile_seconds : 1, worst = 0, first = 0;
    struct constraint *c = make_constraint(v, grammar ? FRONT_GBNF : FRONT_STRICT, t.p, t.n, &how, NULL, &err);
    double compile = cpu_seconds() - begin;
    const char *wrong = c ? feed_hostile(v, c, h, &worst, &first) : NULL;
    free(t.p);
    why[0] = 0;
    if (!c && (!h || h->refused || strstr(json_string_value(json_object_get(r, "expect")), "refused")))
        snprintf(why, sizeof why, "%s", err.text[0] ? "" : "refused without a sentence");
    else if (!c)
        snprintf(why, sizeof why, "refused: %s", err.text);
    else if (h && h->refused)
        snprintf(why, sizeof why, "not refused");
    else if (wrong)
        snprintf(why, sizeof why, "%s", wrong);
    /* Ten times what a mask may take (stoker bench --mask measures it): slow machines are no reason to fail, work without bounds is. */
    if (!why[0] && !SANITIZED && (compile > limit || worst > 0.2))
        snprintf(why, sizeof why, "compiled in %.0f ms, worst mask %.2f ms", compile * 1e3, worst * 1e3);
    if (getenv("SHOW_TIMES"))
        printf("%-28s compile %8.2f ms, first mask %6.2f ms, worst %6.2f ms%s%s\n", name, compile * 1e3, first * 1e3,
               worst * 1e3, c ? "" : ", refused: ", c ? "" : err.text);
    constraint_destroy(c);
    return why[0] ? why : NULL;
}

#endif
