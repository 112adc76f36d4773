/* GET /stoker/model, the model as one can look at it:
 *
 *     {"arch", "layers": [{"index", "kind": "moe" or "dense", "attention": "full", "latent", "window", "compressed", "recurrent", or
 *       null (a feed-forward alone), "type", "bytes", "experts", "experts_used", "use": [how often each expert was used since the start],
 *       "taps": [what a request can record of it]}]} */
#include "server/http/http.h"
#include "server/http/json.h"
#include "server/own/own.h"
#include "server/request/service.h"

#include <inttypes.h>
#include <stdlib.h>

static const char *const kinds[] = {
    [STOKER_LAYER_FULL] = "\"full\"",           [STOKER_LAYER_LATENT] = "\"latent\"",
    [STOKER_LAYER_WINDOW] = "\"window\"",       [STOKER_LAYER_COMPRESSED] = "\"compressed\"",
    [STOKER_LAYER_RECURRENT] = "\"recurrent\"", [STOKER_LAYER_NOTHING] = "null"};

static void write_use(struct out *o, const struct stoker *s, int index, int n_expert)
{
    uint64_t *use = calloc((size_t)n_expert, sizeof *use);
    if (!use) {
        o->failed = 1;
        return;
    }
    stoker_expert_use(s, index, use);
    out_print(o, ",\"use\":[");
    for (int i = 0; i < n_expert; i++)
        out_print(o, "%s%" PRIu64, i ? "," : "", use[i]);
    out_print(o, "]");
    free(use);
}

static void write_taps(struct out *o, unsigned taps)
{
    const char *between = "";
    out_print(o, ",\"taps\":[");
    for (int t = 0; t < STOKER_TAPS; t++)
        if (taps >> t & 1) {
            out_print(o, "%s\"%s\"", between, stoker_tap_name(t));
            between = ",";
        }
    out_print(o, "]");
}

static void write_layer(struct out *o, const struct stoker *s, int index, const struct stoker_layer *l)
{
    out_print(o,
              "%s{\"index\":%d,\"kind\":\"%s\",\"attention\":%s,\"type\":\"%s\",\"bytes\":%" PRIu64
              ",\"experts\":%d,\"experts_used\":%d",
              index ? "," : "", index, l->n_expert ? "moe" : "dense", kinds[l->kind], l->type, l->bytes, l->n_expert,
              l->n_expert_used);
    if (l->n_expert)
        write_use(o, s, index, l->n_expert);
    write_taps(o, l->taps);
    out_print(o, "}");
}

void own_anatomy(struct http_exchange *x)
{
    const struct stoker *s = server_engine(x->server);
    struct out o = {0};
    int n = stoker_layers(s, NULL, 0);
    struct stoker_layer *layer = calloc((size_t)n, sizeof *layer);
    o.failed = !layer;
    out_print(&o, "{\"arch\":");
    out_text(&o, x->server->plan.arch);
    out_print(&o, ",\"layers\":[");
    if (layer)
        stoker_layers(s, layer, n);
    for (int i = 0; layer && i < n; i++)
        write_layer(&o, s, i, &layer[i]);
    out_print(&o, "]}");
    free(layer);
    http_answer_json(x, &o);
}
