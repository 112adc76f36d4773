/* See picture.h. A square a layer, twenty a line: its colour is what it keeps of a sequence, a square in it says experts, a disc at its
 * right shared ones, a bar at its left index keys. */
#include "cli/inspect/picture.h"

#include "cli/common/flags.h"
#include "cli/svg/svg.h"

#include <inttypes.h>

enum {
    ACROSS = 20,
    SIDE = 26,
    GAP = 4,
    LEFT = 52,
    TOP = 48,
    WIDTH = 680,
    LINE = 22,
    KEY = 14,
    KEY_LINES = STOKER_LAYER_KINDS + 4
};

static const int colour[STOKER_LAYER_KINDS] = {
    [STOKER_LAYER_FULL] = 0,       [STOKER_LAYER_LATENT] = 5,    [STOKER_LAYER_WINDOW] = 1,
    [STOKER_LAYER_COMPRESSED] = 2, [STOKER_LAYER_RECURRENT] = 3, [STOKER_LAYER_NOTHING] = 7};
static const char *const kept[STOKER_LAYER_KINDS] = {[STOKER_LAYER_FULL] = "keeps all positions",
                                                     [STOKER_LAYER_LATENT] = "keeps latents of all positions",
                                                     [STOKER_LAYER_WINDOW] = "keeps a window of positions",
                                                     [STOKER_LAYER_COMPRESSED] = "keeps compressed positions",
                                                     [STOKER_LAYER_RECURRENT] = "keeps a state",
                                                     [STOKER_LAYER_NOTHING] = "keeps nothing"};

/* Marks of a square whose side is `side`. */
static void mark_experts(FILE *f, double x, double y, double side)
{
    svg_rect(f, x + side * 0.3, y + side * 0.3, side * 0.4, side * 0.4, "mark", "", "");
}

static void mark_shared(FILE *f, double x, double y, double side)
{
    svg_circle(f, x + side * 0.85, y + side * 0.5, side * 0.08, "mark", "", "");
}

static void mark_index(FILE *f, double x, double y, double side)
{
    svg_rect(f, x + side * 0.1, y + side * 0.3, side * 0.1, side * 0.4, "mark", "", "");
}

static void draw_layer(FILE *f, const struct stoker_layer *l, int i)
{
    double x = LEFT + i % ACROSS * (SIDE + GAP) + i % ACROSS / 10 * GAP, y = TOP + i / ACROSS * (SIDE + GAP);
    char class[8], data[200], hint[240], experts[64] = "";
    snprintf(class, sizeof class, "c%d", colour[l->kind]);
    snprintf(data, sizeof data,
             " data-layer=\"%d\" data-keeps=\"%s\" data-experts=\"%d\" data-used=\"%d\" data-bytes=\"%" PRIu64
             "\" data-shared=\"%d\" data-index=\"%d\"",
             i, layer_kind_name(l->kind), l->n_expert, l->n_expert_used, l->bytes, l->has_shared, l->has_index);
    if (l->n_expert)
        snprintf(experts, sizeof experts, ", %d of %d experts", l->n_expert_used, l->n_expert);
    snprintf(hint, sizeof hint, "layer %d %s%s%s%s, %s of weights, %s", i, kept[l->kind],
             l->has_index ? " and index keys" : "", experts, l->has_shared ? ", shared ones" : "", show_bytes(l->bytes),
             l->type);
    svg_rect(f, x, y, SIDE, SIDE, class, data, hint);
    if (l->n_expert)
        mark_experts(f, x, y, SIDE);
    if (l->has_shared)
        mark_shared(f, x, y, SIDE);
    if (l->has_index)
        mark_index(f, x, y, SIDE);
}

/* A line of what colours and marks mean, with how many layers there are of it, if any; returns where the next one begins. */
static double draw_key_line(FILE *f, double y, int n, const char *what, int of_colour,
                            void (*mark)(FILE *f, double x, double y, double side))
{
    char text[120], class[8];
    if (n == 0)
        return y;
    snprintf(class, sizeof class, "c%d", of_colour);
    svg_rect(f, LEFT, y, KEY, KEY, class, "", "");
    if (mark)
        mark(f, LEFT, y, KEY);
    snprintf(text, sizeof text, "%d %s", n, what);
    svg_text(f, LEFT + 22, y + 12, "start", "", text);
    return y + LINE;
}

static void draw_key(FILE *f, const struct context *c, double y)
{
    const struct layer_counts n = layers_counted(c);
    char text[120];
    for (int k = 0; k < STOKER_LAYER_KINDS; k++)
        y = draw_key_line(f, y, n.kind[k], kept[k], colour[k], NULL);
    y = draw_key_line(f, y, n.experts, "with experts", 7, mark_experts);
    y = draw_key_line(f, y, n.shared, "with shared experts", 7, mark_shared);
    y = draw_key_line(f, y, n.index, "with index keys, by which positions are chosen", 7, mark_index);
    snprintf(text, sizeof text, "%s a token, %s a thousand, in %s", show_bytes(c->plan.kv_bytes_per_token),
             show_bytes(1000 * c->plan.kv_bytes_per_token), c->plan.kv);
    svg_text(f, LEFT, y + 12, "start", "", text);
}

void draw_layers(FILE *f, const struct context *c, const char *name)
{
    char title[400], number[16];
    int lines = (c->n_layer + ACROSS - 1) / ACROSS;
    double below = TOP + lines * (SIDE + GAP) + 12;
    snprintf(title, sizeof title, "%.300s: %d layers", name, c->n_layer);
    svg_begin(f, WIDTH, below + KEY_LINES * LINE, title);
    svg_text(f, LEFT, 28, "start", "title", title);
    for (int i = 0; i < lines; i++) {
        snprintf(number, sizeof number, "%d", i * ACROSS);
        svg_text(f, LEFT - 10, TOP + i * (SIDE + GAP) + SIDE * 0.68, "end", "small", number);
    }
    for (int i = 0; i < c->n_layer; i++)
        draw_layer(f, &c->layer[i], i);
    draw_key(f, c, below);
    svg_end(f);
}
