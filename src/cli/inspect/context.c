/* See context.h. */
#include "cli/inspect/context.h"

#include "cli/common/flags.h"

#include <jansson.h>
#include <stdio.h>

static const char *const layer_kinds[] = {
    [STOKER_LAYER_FULL] = "full",           [STOKER_LAYER_LATENT] = "latent",
    [STOKER_LAYER_WINDOW] = "window",       [STOKER_LAYER_COMPRESSED] = "compressed",
    [STOKER_LAYER_RECURRENT] = "recurrent", [STOKER_LAYER_NOTHING] = "none"};
_Static_assert(STOKER_LAYER_KINDS == sizeof layer_kinds / sizeof *layer_kinds, "a name for each kind");

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

struct layer_counts layers_counted(const struct context *c)
{
    struct layer_counts n = {{0}, 0, 0, 0};
    for (int l = 0; l < c->n_layer; l++) {
        n.kind[c->layer[l].kind]++;
        n.experts += c->layer[l].n_expert > 0;
        n.shared += c->layer[l].has_shared;
        n.index += c->layer[l].has_index;
    }
    return n;
}

/* ---- text -------------------------------------------------------------------------------------------------------------------- */

static void print_layers(const struct layer_counts *n)
{
    const char *before = "  layers: ";
    for (int k = 0; k < STOKER_LAYER_KINDS; k++)
        if (n->kind[k]) {
            printf("%s%d %s", before, n->kind[k], layer_kinds[k]);
            before = ", ";
        }
    printf("; %d with experts", n->experts);
    if (n->shared)
        printf(", %d with shared ones", n->shared);
    if (n->index)
        printf(", %d with index keys", n->index);
    printf(" (--layers)\n");
}

/* What one kind of layers keeps, and nothing of what it does not. */
static void print_kept(const struct stoker_kept *k)
{
    const char *before = "";
    if (k->kv_bytes_per_token) {
        printf("%s a token, %s a thousand", show_bytes(k->kv_bytes_per_token),
               show_bytes(1000 * k->kv_bytes_per_token));
        before = "; ";
    }
    if (k->kv_fixed_bytes) {
        printf("%s%s of windows", before, show_bytes(k->kv_fixed_bytes));
        before = "; ";
    }
    if (k->state_bytes_per_sequence)
        printf("%s%s of states", before, show_bytes(k->state_bytes_per_sequence));
    putchar('\n');
}

static void print_kinds(const struct layer_counts *n, const struct stoker_plan *p)
{
    int n_kind = 0;
    for (int k = 0; k < STOKER_LAYER_NOTHING; k++)
        n_kind += n->kind[k] > 0;
    for (int k = 0; k < STOKER_LAYER_NOTHING && n_kind > 1; k++)
        if (n->kind[k]) {
            printf("    %d %s: ", n->kind[k], layer_kinds[k]);
            print_kept(&p->kept[k]);
        }
}

void print_context(const struct context *c)
{
    if (!c->n_layer) {
        printf("  stoker does not run it: %s\n", c->refusal);
        return;
    }
    const struct layer_counts n = layers_counted(c);
    print_layers(&n);
    const struct stoker_plan *p = &c->plan;
    printf("  context of %d: %s a token, %s a thousand, in %s", p->n_ctx_train, show_bytes(p->kv_bytes_per_token),
           show_bytes(1000 * p->kv_bytes_per_token), p->kv);
    if (p->kv_fixed_bytes)
        printf("; %s of windows", show_bytes(p->kv_fixed_bytes));
    if (p->state_bytes_per_sequence)
        printf("; %s of states", show_bytes(p->state_bytes_per_sequence));
    putchar('\n');
    print_kinds(&n, p);
}

enum { A_GROUP = 10, A_LINE = 50 }; /* layers */

/* A line of the map for layers from first on: behind a head of five columns a letter a layer. */
static void print_line(const struct context *c, int first, const char *head,
                       char (*letter_of)(const struct stoker_layer *))
{
    fputs(head, stdout);
    for (int l = first; l < c->n_layer && l < first + A_LINE; l++) {
        if (l % A_GROUP == 0)
            putchar(' ');
        putchar(letter_of(&c->layer[l]));
    }
    putchar('\n');
}

static char kept_letter(const struct stoker_layer *l)
{
    static const char letter[STOKER_LAYER_KINDS] = "flwcr-";
    char kind = letter[l->kind];
    return kind == '-' ? (l->n_expert ? '+' : '-') : (char)(l->n_expert ? kind - 'a' + 'A' : kind);
}

static char shared_letter(const struct stoker_layer *l) { return l->has_shared ? 's' : '.'; }
static char index_letter(const struct stoker_layer *l) { return l->has_index ? 'i' : '.'; }

void print_layer_map(const struct context *c)
{
    char head[16];
    if (!c->n_layer) {
        printf("stoker does not run it: %s\n", c->refusal);
        return;
    }
    const struct layer_counts n = layers_counted(c);
    for (int l = 0; l < c->n_layer; l += A_LINE) {
        snprintf(head, sizeof head, "%4d ", l);
        print_line(c, l, head, kept_letter);
        if (n.shared)
            print_line(c, l, "     ", shared_letter);
        if (n.index)
            print_line(c, l, "     ", index_letter);
    }
    printf(
        "kept of a sequence: f all positions, l latents of all, w a window, c compressed ones, r a state, - nothing; "
        "capitals and +: with experts\n");
    if (n.shared)
        printf("s below: with shared experts, which every token uses\n");
    if (n.index)
        printf("i below: with index keys, by which it is chosen which positions are attended to\n");
}

/* ---- JSON -------------------------------------------------------------------------------------------------------------------- */

static json_t *json_kinds(const struct context *c)
{
    const struct layer_counts n = layers_counted(c);
    json_t *kinds = json_object();
    for (int k = 0; k < STOKER_LAYER_KINDS; k++) {
        const struct stoker_kept *kept = &c->plan.kept[k];
        if (n.kind[k])
            json_object_set_new(kinds, layer_kinds[k],
                                json_pack("{s:i, s:I, s:I, s:I, s:I}", "layers", n.kind[k], "kv_bytes_per_token",
                                          (json_int_t)kept->kv_bytes_per_token, "kv_bytes_per_1000",
                                          (json_int_t)(1000 * kept->kv_bytes_per_token), "kv_fixed_bytes",
                                          (json_int_t)kept->kv_fixed_bytes, "state_bytes_per_sequence",
                                          (json_int_t)kept->state_bytes_per_sequence));
    }
    return kinds;
}

json_t *json_context(const struct context *c)
{
    const struct stoker_plan *p = &c->plan;
    if (!c->n_layer)
        return json_null();
    json_t *layers = json_array();
    for (int i = 0; i < c->n_layer; i++) {
        const struct stoker_layer *l = &c->layer[i];
        json_array_append_new(layers,
                              json_pack("{s:s, s:i, s:i, s:I, s:s, s:b, s:b}", "keeps", layer_kinds[l->kind], "experts",
                                        l->n_expert, "used", l->n_expert_used, "bytes", (json_int_t)l->bytes, "type",
                                        l->type, "shared", l->has_shared, "index", l->has_index));
    }
    return json_pack("{s:i, s:s, s:I, s:I, s:I, s:I, s:o, s:o}", "trained", p->n_ctx_train, "kv_type", p->kv,
                     "kv_bytes_per_token", (json_int_t)p->kv_bytes_per_token, "kv_bytes_per_1000",
                     (json_int_t)(1000 * p->kv_bytes_per_token), "kv_fixed_bytes", (json_int_t)p->kv_fixed_bytes,
                     "state_bytes_per_sequence", (json_int_t)p->state_bytes_per_sequence, "kinds", json_kinds(c),
                     "layers", layers);
}
