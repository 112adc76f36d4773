/* See calltrace.h. */
#include "eval/calltrace.h"

#include <stdlib.h>
#include <string.h>

const struct eval_call_kind eval_call_kind[EVAL_CALL_PROMPTS] = {{"short", 16}, {"steps", 2048}};

enum { NAME = 5 };

static uint64_t draw(uint64_t *state, uint64_t n) { return eval_random(state) % n; }

/* A consonant, a vowel, and again, until no function before it has that name. */
static void draw_name(uint64_t *state, char name[][NAME], int at)
{
    static const char consonant[] = "bcdfghjklmnprstvwz", vowel[] = "aeiou";
    int used = 1;
    while (used) {
        for (int i = 0; i < NAME - 1; i++)
            name[at][i] = i % 2 ? vowel[draw(state, sizeof vowel - 1)] : consonant[draw(state, sizeof consonant - 1)];
        name[at][NAME - 1] = 0;
        used = 0;
        for (int i = 0; i < at; i++)
            used |= strcmp(name[i], name[at]) == 0;
    }
}

/* Writes the program as the inside of a JSON string; returns what it prints. */
static int write_program(FILE *f, uint64_t state, int depth)
{
    char name[EVAL_CALL_DEPTHS][NAME];
    int sum = 0;
    for (int i = 0; i < depth; i++) {
        draw_name(&state, name, i);
        int k = 1 + (int)draw(&state, 10), negative = draw(&state, 2) == 1;
        sum += negative ? -k : k;
        fprintf(f, "def %s(x):\\n    return ", name[i]);
        fprintf(f, i ? "%s(x %c %d)\\n" : "%sx %c %d\\n", i ? name[i - 1] : "", negative ? '-' : '+', k);
    }
    int a = 1 + (int)draw(&state, 10);
    fprintf(f, "print(%s(%d))\\n", name[depth - 1], a);
    return a + sum;
}

void eval_calltrace_write(FILE *f, uint64_t seed, int n)
{
    for (int depth = 1; depth <= EVAL_CALL_DEPTHS; depth++)
        for (int i = 0; i < n; i++) {
            fprintf(f, "{\"id\":\"d%02d-%02d\",\"depth\":%d,\"program\":\"", depth, i, depth);
            int answer = write_program(f, seed * 1000003 + (uint64_t)depth * 1009 + (uint64_t)i, depth);
            fprintf(f, "\",\"answer\":%d}\n", answer);
        }
}

char *eval_calltrace_prompt(const json_t *item, enum eval_call_prompt kind)
{
    static const char *const how[EVAL_CALL_PROMPTS] = {
        "Answer with the number only.", "Work it out call by call, then write the number alone on the last line."};
    char *text = NULL;
    int n = asprintf(&text, "What does this Python program print? %s\n\n```python\n%s```\n", how[kind],
                     json_string_value(json_object_get(item, "program")));
    return n < 0 ? NULL : text;
}

int eval_calltrace_depth(const json_t *item) { return (int)json_integer_value(json_object_get(item, "depth")); }

static int is_digit(char c) { return c >= '0' && c <= '9'; }

int eval_calltrace_right(const json_t *item, const char *reply)
{
    size_t n = strlen(reply);
    while (n && !is_digit(reply[n - 1]))
        n--;
    size_t at = n;
    while (at && is_digit(reply[at - 1]))
        at--;
    if (at == n)
        return 0;
    at -= at && reply[at - 1] == '-';
    return strtoll(reply + at, NULL, 10) == json_integer_value(json_object_get(item, "answer"));
}

int eval_calltrace_wall(const size_t *right, size_t n)
{
    int depth = 0;
    while (depth < EVAL_CALL_DEPTHS && 2 * right[depth] >= n)
        depth++;
    return depth;
}
