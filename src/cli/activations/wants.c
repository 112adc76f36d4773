/* From words to what is recorded: layers, tensors, positions, reductions. See activations.h. */
#include "cli/activations/activations.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int wrong(const char *flag, const char *value, const char *fix)
{
    fprintf(stderr, "stoker activations: %s %.60s: %s\n", flag, value, fix);
    return 2;
}

/* A tensor's name, n bytes, to its number; -1: none. */
static int tap_of(const char *name, size_t n)
{
    for (int t = 0; t < STOKER_TAPS; t++)
        if (strlen(stoker_tap_name(t)) == n && memcmp(stoker_tap_name(t), name, n) == 0)
            return t;
    return -1;
}

static int read_tensors(struct stoker_capture *c, const char *list)
{
    for (const char *p = list; *p;) {
        size_t n = strcspn(p, ",");
        int tap = tap_of(p, n);
        if (tap < 0) {
            fprintf(stderr, "stoker activations: --tensors: there is no \"%.*s\"; possible are", (int)n, p);
            for (int t = 0; t < STOKER_TAPS; t++)
                fprintf(stderr, "%s %s", t ? "," : "", stoker_tap_name(t));
            fprintf(stderr, "\n");
            return 2;
        }
        c->taps |= 1u << tap;
        p += n + (p[n] == ',');
    }
    return c->taps ? 0 : wrong("--tensors", list, "no tensor is named; try resid_post");
}

/* 3,10-20: sets them. */
static int read_layers(unsigned char *layer, int n_layer, const char *list)
{
    for (const char *p = list; *p;) {
        char *end;
        long first = strtol(p, &end, 10), last = first;
        int bad = end == p;
        if (!bad && *end == '-') {
            p = end + 1;
            last = strtol(p, &end, 10);
            bad = end == p;
        }
        if (bad || (*end && (*end != ',' || !end[1])))
            return wrong("--layers", list, "numbers and ranges, as in 3,10-20, or all");
        if (first < 0 || first > last || last >= n_layer) {
            fprintf(stderr, "stoker activations: --layers %.60s: the model has layers 0 to %d, the first comes first\n",
                    list, n_layer - 1);
            return 2;
        }
        for (long l = first; l <= last; l++)
            layer[l] = 1;
        p = end + (*end == ',');
    }
    return *list ? 0 : wrong("--layers", list, "numbers and ranges, as in 3,10-20, or all");
}

/* A position: n, or n from the end of the prompt where it is negative; "generated": the end of the prompt. */
static int read_position(struct stoker_at *at, const char *flag, const char *text)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (strcmp(text, "generated") == 0)
        *at = (struct stoker_at){0, 1};
    else if (end == text || *end)
        return wrong(flag, text, "a position from 0, one below 0 from the end of the prompt, or generated");
    else
        *at = (struct stoker_at){n, n < 0};
    return 0;
}

int activations_wants(struct stoker_capture *c, const struct activations *a, unsigned char *layer, int n_layer)
{
    static const char *const dtype[] = {[STOKER_F32] = "f32", [STOKER_F16] = "f16", [STOKER_BF16] = "bf16"};
    *c = (struct stoker_capture){.top = a->top, .fd = -1, .has_to = a->to != NULL};
    int status = a->sae && !a->tensors ? 0 : read_tensors(c, a->tensors ? a->tensors : "resid_post");
    if (!status && strcmp(a->layers, "all") != 0) {
        c->layer = layer;
        status = read_layers(layer, n_layer, a->layers);
    }
    if (!status && a->from)
        status = read_position(&c->from, "--from", a->from);
    if (!status && a->to)
        status = read_position(&c->to, "--to", a->to);
    while (strcmp(stoker_reduce_name((int)c->reduce), a->reduce) != 0)
        c->reduce++;
    while (strcmp(dtype[c->dtype], a->dtype) != 0)
        c->dtype++;
    return status;
}
