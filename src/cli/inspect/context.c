/* See context.h. */
#include "cli/inspect/context.h"

#include "cli/common/flags.h"

#include <jansson.h>
#include <stdio.h>

static const char *const layer_kinds[] = {[STOKER_LAYER_FULL] = "full",
                                          [STOKER_LAYER_WINDOW] = "window",
                                          [STOKER_LAYER_COMPRESSED] = "compressed",
                                          [STOKER_LAYER_RECURRENT] = "recurrent",
                                          [STOKER_LAYER_NOTHING] = "none"};
_Static_assert(LAYER_KINDS == sizeof layer_kinds / sizeof *layer_kinds, "a name for each kind");

const char *layer_kind_name(int kind) { return layer_kinds[kind]; }

void inspect_context(struct context *c, const char *model)
{
    const struct stoker_options o = {.memory = STOKER_MEMORY_MAX};
    struct stoker_error err = {0};
    *c = (struct context){.n_layer = 0};
    int n = stoker_header_layers(c->layer, MOST_LAYERS, model, &err);
    if (n < 0 || stoker_plan_header(&c->plan, model, &o, &err))
        snprintf(c->refusal, sizeof c->refusal, "%s", err.text);
    else
        c->n_layer = n < MOST_LAYERS ? n : MOST_LAYERS;
}

void print_context(const struct context *c)
{
    int n[LAYER_KINDS] = {0}, n_experts = 0;
    const char *before = "  layers: ";
    if (!c->n_layer) {
        printf("  stoker does not run it: %s\n", c->refusal);
        return;
    }
    for (int l = 0; l < c->n_layer; l++) {
        n[c->layer[l].kind]++;
        n_experts += c->layer[l].n_expert > 0;
    }
    for (int k = 0; k < LAYER_KINDS; k++)
        if (n[k]) {
            printf("%s%d %s", before, n[k], layer_kinds[k]);
            before = ", ";
        }
    printf("; %d with experts (--layers)\n", n_experts);
    const struct stoker_plan *p = &c->plan;
    printf("  context of %d: %s a token, %s a thousand, in %s", p->n_ctx_train, show_bytes(p->kv_bytes_per_token),
           show_bytes(1000 * p->kv_bytes_per_token), p->kv);
    if (p->kv_fixed_bytes)
        printf("; %s of windows", show_bytes(p->kv_fixed_bytes));
    if (p->state_bytes_per_sequence)
        printf("; %s of states", show_bytes(p->state_bytes_per_sequence));
    putchar('\n');
}

/* Ten layers a group, fifty a line. */
void print_layer_map(const struct context *c)
{
    static const char letter[] = "fwcr-";
    if (!c->n_layer) {
        printf("stoker does not run it: %s\n", c->refusal);
        return;
    }
    for (int l = 0; l < c->n_layer; l++) {
        char kind = letter[c->layer[l].kind];
        if (l % 50 == 0)
            printf("%s%4d ", l ? "\n" : "", l);
        if (l % 10 == 0)
            putchar(' ');
        putchar(kind == '-' ? (c->layer[l].n_expert ? '+' : '-') : c->layer[l].n_expert ? kind - 'a' + 'A' : kind);
    }
    printf("\nkept of a sequence: f all positions, w a window, c compressed ones, r a state, - nothing; capitals and "
           "+: with experts\n");
}

json_t *json_context(const struct context *c)
{
    const struct stoker_plan *p = &c->plan;
    if (!c->n_layer)
        return json_null();
    json_t *layers = json_array();
    for (int l = 0; l < c->n_layer; l++)
        json_array_append_new(layers, json_pack("{s:s, s:i, s:i, s:I, s:s}", "keeps", layer_kinds[c->layer[l].kind],
                                                "experts", c->layer[l].n_expert, "used", c->layer[l].n_expert_used,
                                                "bytes", (json_int_t)c->layer[l].bytes, "type", c->layer[l].type));
    return json_pack("{s:i, s:s, s:I, s:I, s:I, s:I, s:o}", "trained", p->n_ctx_train, "kv_type", p->kv,
                     "kv_bytes_per_token", (json_int_t)p->kv_bytes_per_token, "kv_bytes_per_1000",
                     (json_int_t)(1000 * p->kv_bytes_per_token), "kv_fixed_bytes", (json_int_t)p->kv_fixed_bytes,
                     "state_bytes_per_sequence", (json_int_t)p->state_bytes_per_sequence, "layers", layers);
}
