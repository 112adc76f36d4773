/* See picture.h. A square a layer, twenty a line: its colour is what it keeps of a sequence, a mark in it says experts. */
#include "cli/inspect/picture.h"

#include "cli/common/flags.h"
#include "cli/svg/svg.h"

#include <inttypes.h>

enum { ACROSS = 20, SIDE = 26, GAP = 4, LEFT = 52, TOP = 48, WIDTH = 680, LINE = 22, KEY_LINES = LAYER_KINDS + 2 };

static const int colour[LAYER_KINDS] = {[STOKER_LAYER_FULL] = 0,
                                        [STOKER_LAYER_WINDOW] = 1,
                                        [STOKER_LAYER_COMPRESSED] = 2,
                                        [STOKER_LAYER_RECURRENT] = 3,
                                        [STOKER_LAYER_NOTHING] = 7};
static const char *const kept[LAYER_KINDS] = {[STOKER_LAYER_FULL] = "keeps all positions",
                                              [STOKER_LAYER_WINDOW] = "keeps a window of positions",
                                              [STOKER_LAYER_COMPRESSED] = "keeps compressed positions",
                                              [STOKER_LAYER_RECURRENT] = "keeps a state",
                                              [STOKER_LAYER_NOTHING] = "keeps nothing"};

static void draw_mark(FILE *f, double x, double y)
{
    svg_rect(f, x + SIDE * 0.3, y + SIDE * 0.3, SIDE * 0.4, SIDE * 0.4, "mark", "", "");
}

static void draw_layer(FILE *f, const struct stoker_layer *l, int i)
{
    double x = LEFT + i % ACROSS * (SIDE + GAP) + i % ACROSS / 10 * GAP, y = TOP + i / ACROSS * (SIDE + GAP);
    char class[8], data[160], hint[200], experts[64] = "";
    snprintf(class, sizeof class, "c%d", colour[l->kind]);
    snprintf(data, sizeof data,
             " data-layer=\"%d\" data-keeps=\"%s\" data-experts=\"%d\" data-used=\"%d\" data-bytes=\"%" PRIu64 "\"", i,
             layer_kind_name(l->kind), l->n_expert, l->n_expert_used, l->bytes);
    if (l->n_expert)
        snprintf(experts, sizeof experts, ", %d of %d experts", l->n_expert_used, l->n_expert);
    snprintf(hint, sizeof hint, "layer %d %s%s, %s of weights, %s", i, kept[l->kind], experts, show_bytes(l->bytes),
             l->type);
    svg_rect(f, x, y, SIDE, SIDE, class, data, hint);
    if (l->n_expert)
        draw_mark(f, x, y);
}

/* What colours and marks mean, with how many layers there are of each. */
static void draw_key(FILE *f, const struct context *c, double y)
{
    int n[LAYER_KINDS] = {0}, n_experts = 0;
    char text[120], class[8];
    for (int l = 0; l < c->n_layer; l++) {
        n[c->layer[l].kind]++;
        n_experts += c->layer[l].n_expert > 0;
    }
    for (int k = 0; k < LAYER_KINDS; k++) {
        if (!n[k])
            continue;
        snprintf(class, sizeof class, "c%d", colour[k]);
        svg_rect(f, LEFT, y, 14, 14, class, "", "");
        snprintf(text, sizeof text, "%d %s", n[k], kept[k]);
        svg_text(f, LEFT + 22, y + 12, "start", "", text);
        y += LINE;
    }
    if (n_experts) {
        svg_rect(f, LEFT, y, 14, 14, "c7", "", "");
        svg_rect(f, LEFT + 4, y + 4, 6, 6, "mark", "", "");
        snprintf(text, sizeof text, "%d with experts", n_experts);
        svg_text(f, LEFT + 22, y + 12, "start", "", text);
        y += LINE;
    }
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
