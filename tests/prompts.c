/* links: engine text model store op machine kernel format base
 *
 * Every prompt of models/ember/prompts.json gives its recorded ids, greedily and with f32 keys and values: on every tier of this
 * machine, with quantised activations and exact, everything resident and under the smallest budget, one after another and all
 * submitted at once to an engine of four sequences. Through include/stoker.h only, as a caller would.
 *
 *     build/tests/prompts [--all]
 *
 * A line a setting; each of its prompts counts as one test. Tiers below the best one take minutes for all combinations: without
 * --all they run two of them, which differ in each of the three choices, the others by turns. */
#include "base/clock.h"
#include "base/cpu.h"
#include "stoker.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { END_OF_TURN = 4089, ROOM = 512, PARALLEL = 4 };

static int passed, failed;

struct setting {
    const char *tier;
    int exact, parallel;
    uint64_t memory;
};

static const char *show(const struct setting *s)
{
    static char text[128];
    snprintf(text, sizeof text, "%-6s %-9s memory %s, %s", s->tier, s->exact ? "exact" : "quantised",
             s->memory == STOKER_MEMORY_MIN ? "min" : "max", s->parallel == 1 ? "one by one" : "four at a time");
    return text;
}

/* The ids of a JSON array; the end of the turn, which the engine keeps to itself, is left out. */
static size_t ids_of(const json_t *array, stoker_token *out)
{
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(array) && n < ROOM; i++)
        out[n++] = (stoker_token)json_integer_value(json_array_get(array, i));
    return n > 0 && out[n - 1] == END_OF_TURN ? n - 1 : n;
}

static int submit(struct stoker *s, const json_t *prompt, stoker_id *id, struct stoker_error *err)
{
    stoker_token ids[ROOM];
    const json_t *array = json_object_get(prompt, "prompt_ids");
    struct stoker_request r = {.prompt = ids, .sampling = {.temperature = 0}};
    r.n_prompt = ids_of(array, ids);
    return stoker_submit(s, &r, id, err);
}

/* Take the answer of a request and compare. Returns 1 when it is the recorded one, else prints what it was. */
static int answer_matches(struct stoker *s, stoker_id id, const json_t *prompt)
{
    stoker_token want[ROOM], got[ROOM];
    size_t n_want = ids_of(json_object_get(prompt, "answer_ids"), want), n = 0;
    struct stoker_event ev;
    do {
        if (stoker_next_event(s, id, -1, &ev) != 1)
            return 0;
        if (ev.kind == STOKER_TOKEN && n < ROOM)
            got[n++] = ev.u.token.id;
    } while (ev.kind == STOKER_TOKEN || ev.kind == STOKER_PROGRESS);
    const char *question = json_string_value(json_object_get(prompt, "question"));
    size_t same = 0;
    while (same < n && same < n_want && got[same] == want[same])
        same++;
    if (ev.kind == STOKER_FAILED)
        printf("    \"%s\": %s\n", question, ev.error.text);
    else if (ev.u.end.reason != STOKER_END_TEXT || n != n_want || same != n)
        printf("    \"%s\": %zu ids, %zu recorded, the first %zu alike\n", question, n, n_want, same);
    else
        return 1;
    return 0;
}

static int one_by_one(struct stoker *s, const json_t *prompts, struct stoker_error *err)
{
    int right = 0;
    for (size_t i = 0; i < json_array_size(prompts); i++) {
        stoker_id id;
        const json_t *p = json_array_get(prompts, i);
        if (submit(s, p, &id, err))
            return right;
        right += answer_matches(s, id, p);
    }
    return right;
}

static int all_at_once(struct stoker *s, const json_t *prompts, struct stoker_error *err)
{
    int right = 0;
    size_t n = json_array_size(prompts), submitted = 0;
    stoker_id *id = calloc(n, sizeof *id);
    while (id && submitted < n && submit(s, json_array_get(prompts, submitted), &id[submitted], err) == 0)
        submitted++;
    for (size_t i = 0; i < submitted; i++)
        right += answer_matches(s, id[i], json_array_get(prompts, i));
    free(id);
    return right;
}

static void run(const char *model, const json_t *prompts, const struct setting *set)
{
    struct stoker_options o = {
        .memory = set->memory, .n_parallel = set->parallel, .kv = "f32", .cpu_tier = set->tier, .exact = set->exact};
    struct stoker_error err = {0};
    struct stoker_stats st = {0};
    struct stoker *s;
    double began = clock_seconds();
    int right = 0, n = (int)json_array_size(prompts);
    if (stoker_open(&s, model, &o, &err) == 0) {
        right = set->parallel == 1 ? one_by_one(s, prompts, &err) : all_at_once(s, prompts, &err);
        stoker_stats_of(s, &st);
        stoker_close(s);
    }
    int streamed = set->memory != STOKER_MEMORY_MIN || (st.misses > 0 && st.evictions > 0);
    printf("%s %s: %d of %d, %llu misses, %llu evictions, %.1f s%s%s%s\n", right == n && streamed ? "ok  " : "FAIL",
           show(set), right, n, (unsigned long long)st.misses, (unsigned long long)st.evictions,
           clock_seconds() - began, streamed ? "" : ": nothing was evicted", err.code ? ": " : "", err.text);
    passed += right - (right && !streamed);
    failed += n - right + (right && !streamed);
}

int main(int argc, char **argv)
{
    const char *model = "models/ember/ember.gguf", *path = "models/ember/prompts.json";
    int all = argc > 1 && strcmp(argv[1], "--all") == 0;
    json_error_t error;
    json_t *prompts = json_load_file(path, 0, &error);
    if (json_array_size(prompts) == 0) {
        fprintf(stderr, "prompts: %s: %s\n", path, prompts ? "no prompts" : error.text);
        return 1;
    }
    for (int tier = cpu_best_tier(); tier >= 0; tier--)
        for (int i = 0; i < 8; i++) {
            int exact = i & 1, least = i >> 1 & 1, together = i >> 2;
            int is_dealt = least == together && exact == (least ^ (tier & 1));
            if (all || tier == (int)cpu_best_tier() || is_dealt)
                run(model, prompts,
                    &(struct setting){.tier = cpu_tier_name((enum cpu_tier)tier),
                                      .exact = exact,
                                      .memory = least ? STOKER_MEMORY_MIN : STOKER_MEMORY_MAX,
                                      .parallel = together ? PARALLEL : 1});
        }
    json_decref(prompts);
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0;
}
