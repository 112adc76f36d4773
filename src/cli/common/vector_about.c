/* Control vectors in words: see vector_about.h. */
#include "cli/common/vector_about.h"

#include <stdio.h>
#include <string.h>

int is_vector_file(const struct gguf *g)
{
    for (uint64_t i = 0; i < g->n_tensor; i++)
        if (strncmp(g->tensor[i].name, "direction.", 10) == 0)
            return 1;
    return 0;
}

static void print_text(const char *what, const char *text)
{
    if (*text)
        printf("  %-12s %s\n", what, text);
}

void vector_print(const struct vector *v)
{
    const struct vector_texts *t = &v->texts;
    printf("control vector: %s at %s, %d directions of %d values, layers %d to %d\n", vector_kind_name(v->kind),
           vector_hook_name(v->hook), v->n_held, v->n_embd, v->first, v->last);
    print_text("name", t->name);
    print_text("licence", *t->license ? t->license : "not stated");
    print_text("author", t->author);
    print_text("source", t->source);
    print_text("made for", t->base_model);
    print_text("architecture", t->model_hint);
    print_text("method", t->method);
    print_text("sha256", v->sha256);
    if (v->kind == VECTOR_PROJECT)
        printf("  %-12s %g\n", "share", (double)v->scale);
    if (v->suggested > 0)
        printf("  %-12s %g to begin with\n", "scale", v->suggested);
    if (v->hook_differs)
        printf("  measured at another place than it acts on\n");
    printf("  %-12s", "norms");
    for (int l = v->first; l <= v->last; l++)
        if (v->direction[l].v)
            printf(" %d: %.4g", l, v->direction[l].norm);
    putchar('\n');
}

json_t *vector_json(const struct vector *v)
{
    const struct vector_texts *t = &v->texts;
    json_t *norms = json_object();
    for (int l = v->first; l <= v->last; l++) {
        char layer[16];
        snprintf(layer, sizeof layer, "%d", l);
        if (v->direction[l].v)
            json_object_set_new(norms, layer, json_real(v->direction[l].norm));
    }
    json_t *out = json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:f, s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}",
                            "kind", vector_kind_name(v->kind), "hook", vector_hook_name(v->hook), "n_embd", v->n_embd,
                            "layer_first", v->first, "layer_last", v->last, "layers", v->n_held, "scale_default",
                            (double)v->scale, "hook_differs", v->hook_differs, "sha256", v->sha256, "name", t->name,
                            "license", t->license, "author", t->author, "source", t->source, "base_model",
                            t->base_model, "model_hint", t->model_hint, "method", t->method, "norms", norms);
    if (out && v->suggested > 0)
        json_object_set_new(out, "scale_suggested", json_real(v->suggested));
    return out;
}
